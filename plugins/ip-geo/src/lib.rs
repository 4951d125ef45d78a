//! Continent, country and city from the IP address.
