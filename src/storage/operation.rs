//! Which operation of S3 a request is, told from the request alone: both clients are looked at the same way.

/// An operation of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    GetObject,
    HeadObject,
    PutObject,
    CopyObject,
    DeleteObject,
    DeleteObjects,
    ListObjects,
    CreateMultipartUpload,
    UploadPart,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListMultipartUploads,
    ListParts,
    /// Any that the program has no need of today.
    Other,
}

impl Operation {
    /// Of a request with this query, whose body is another object's if `is_copy`.
    pub(super) fn of(method: &str, query: Option<&str>, is_copy: bool) -> Self {
        let names = || query.into_iter().flat_map(|query| query.split('&'));
        let has = |name: &str| names().any(|part| part.split('=').next() == Some(name));
        match method {
            "GET" if names().any(|part| part == "list-type=2") => Self::ListObjects,
            "GET" if has("uploads") => Self::ListMultipartUploads,
            "GET" if has("uploadId") => Self::ListParts,
            "GET" => Self::GetObject,
            "HEAD" => Self::HeadObject,
            "PUT" if has("partNumber") => Self::UploadPart,
            "PUT" if is_copy => Self::CopyObject,
            "PUT" => Self::PutObject,
            "POST" if has("uploads") => Self::CreateMultipartUpload,
            "POST" if has("uploadId") => Self::CompleteMultipartUpload,
            "POST" if has("delete") => Self::DeleteObjects,
            "DELETE" if has("uploadId") => Self::AbortMultipartUpload,
            "DELETE" => Self::DeleteObject,
            _ => Self::Other,
        }
    }

    /// As S3 names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::DeleteObject => "DeleteObject",
            Self::DeleteObjects => "DeleteObjects",
            Self::ListObjects => "ListObjectsV2",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::ListParts => "ListParts",
            Self::Other => "Other",
        }
    }

    /// Whether it says how an object is kept that it makes. The parts of an upload are kept as its beginning says.
    pub(super) fn makes_an_object(self) -> bool {
        matches!(self, Self::PutObject | Self::CopyObject | Self::CreateMultipartUpload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_known_by_method_and_query() {
        for (method, query, name) in [
            ("GET", None, "GetObject"),
            ("GET", Some("x-id=GetObject"), "GetObject"),
            ("GET", Some("list-type=2&prefix=uploads"), "ListObjectsV2"),
            ("GET", Some("prefix=a&uploads"), "ListMultipartUploads"),
            ("GET", Some("uploadId=list-type=2&x-id=ListParts"), "ListParts"),
            ("HEAD", None, "HeadObject"),
            ("PUT", None, "PutObject"),
            ("PUT", Some("partNumber=1&uploadId=x"), "UploadPart"),
            ("POST", Some("uploads="), "CreateMultipartUpload"),
            ("POST", Some("uploadId=x"), "CompleteMultipartUpload"),
            ("POST", Some("delete"), "DeleteObjects"),
            ("DELETE", None, "DeleteObject"),
            ("DELETE", Some("uploadId=x"), "AbortMultipartUpload"),
            ("PATCH", None, "Other"),
        ] {
            assert_eq!(Operation::of(method, query, false).name(), name, "{method} {query:?}");
        }
        assert_eq!(Operation::of("PUT", None, true), Operation::CopyObject);
    }
}
