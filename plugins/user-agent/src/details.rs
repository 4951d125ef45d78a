//! What is known of one user agent, packed for the cache.

/// The parts of a result. The first six are text columns in their order, the rest are entries of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Browser,
    BrowserVersion,
    Os,
    OsVersion,
    Device,
    DeviceCategory,
    UserAgentJson,
    OsJson,
    DeviceJson,
}

impl Part {
    /// The text columns, in the order of [`crate::config::OutputColumns`].
    pub(crate) const COLUMNS: [Self; 6] =
        [Self::Browser, Self::BrowserVersion, Self::Os, Self::OsVersion, Self::Device, Self::DeviceCategory];

    /// The map's entries with their keys; the key `string` is not here, its value is the row's own text.
    pub(crate) const ENTRIES: [(&'static str, Self); 3] =
        [("userAgent", Self::UserAgentJson), ("os", Self::OsJson), ("device", Self::DeviceJson)];

    const COUNT: usize = 9;
}

/// All parts in one allocation: thousands of these are held by each worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Details {
    text: Box<str>,
    spans: [Option<(u32, u32)>; Part::COUNT],
}

impl Details {
    pub(crate) fn get(&self, part: Part) -> Option<&str> {
        self.spans[part as usize].map(|(start, end)| &self.text[start as usize..end as usize])
    }
}

/// Collects the parts of one result. Parts not set are null.
#[derive(Debug, Default)]
pub(crate) struct DetailsBuilder {
    text: String,
    spans: [Option<(u32, u32)>; Part::COUNT],
}

impl DetailsBuilder {
    pub(crate) fn set(&mut self, part: Part, value: Option<&str>) {
        if let Some(value) = value {
            let start = self.text.len();
            self.text.push_str(value);
            self.spans[part as usize] = Some((start as u32, self.text.len() as u32));
        }
    }

    /// A version: the numbers up to the first missing one, joined by dots. Null when there is no major one.
    pub(crate) fn set_version(&mut self, part: Part, numbers: [Option<&str>; 3]) {
        let start = self.text.len();
        for (place, number) in numbers.iter().map_while(|number| *number).enumerate() {
            if place > 0 {
                self.text.push('.');
            }
            self.text.push_str(number);
        }
        if numbers[0].is_some() {
            self.spans[part as usize] = Some((start as u32, self.text.len() as u32));
        }
    }

    pub(crate) fn finish(self) -> Details {
        Details { text: self.text.into(), spans: self.spans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stop_at_the_first_gap() {
        let version = |numbers| {
            let mut details = DetailsBuilder::default();
            details.set(Part::Browser, Some("x"));
            details.set_version(Part::BrowserVersion, numbers);
            details.finish().get(Part::BrowserVersion).map(str::to_owned)
        };
        assert_eq!(version([Some("16"), Some("6"), None]).as_deref(), Some("16.6"));
        assert_eq!(version([Some("16"), None, Some("1")]).as_deref(), Some("16"));
        assert_eq!(version([Some("1"), Some("2"), Some("3")]).as_deref(), Some("1.2.3"));
        assert_eq!(version([None, Some("6"), None]), None);
    }
}
