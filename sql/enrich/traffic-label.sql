-- Adds traffic_label, the one word by which reports group visits, and leaves out the traffic of one's own people.
--
-- Parameter: $internal_host, the host name of pages that only one's own people see.
SELECT
  *,
  CASE
    WHEN traffic_source_medium IN ('cpc', '(CPC)', 'paid') OR traffic_source_clid IS NOT NULL THEN 'paid'
    WHEN traffic_source_medium = 'email' THEN 'email'
    WHEN traffic_source_category = 'Search' THEN 'search'
    WHEN traffic_source_category = 'Social' THEN 'social'
    WHEN traffic_source_source IS NULL OR traffic_source_source = 'Direct' THEN 'direct'
    ELSE 'referral'
  END AS traffic_label
FROM event_v2
WHERE page_view_hostname IS NULL OR page_view_hostname <> $internal_host
