//! Bodies of answers whose bytes are counted as they arrive.

use crate::process::traffic::Request;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::client::{HttpError, HttpResponse, HttpResponseBody};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The same answer; what arrives of its body is counted for `request`.
pub(super) fn counted(response: HttpResponse, request: Request) -> HttpResponse {
    let (parts, body) = response.into_parts();
    HttpResponse::from_parts(parts, HttpResponseBody::new(Counted { body, request }))
}

struct Counted {
    body: HttpResponseBody,
    request: Request,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            self.request.received(bytes.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
