//! The proxy that knows requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reqwest::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, TRANSFER_ENCODING};
use tokio::net::TcpListener;

use super::rule::Action;
use super::{Seen, Shared, lock};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Pieces = BoxStream<'static, Result<Bytes, Failure>>;
type Answer = Response<StreamBody<BoxStream<'static, Result<Frame<Bytes>, Failure>>>>;

/// Takes connections until it is dropped.
pub(super) async fn listen(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((connection, _)) = listener.accept().await {
        if shared.down.load(Ordering::SeqCst) {
            continue;
        }
        let _ = connection.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&shared), request));
            // A connection that was broken on purpose ends with an error.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

/// Counts into the list of what was seen.
#[derive(Clone)]
struct Entry {
    shared: Arc<Shared>,
    index: usize,
}

impl Entry {
    fn change(&self, change: impl FnOnce(&mut Seen)) {
        // The list may have been begun anew meanwhile.
        if let Some(seen) = lock(&self.shared.seen).get_mut(self.index) {
            change(seen);
        }
    }
}

fn broken() -> Failure {
    "broken by the proxy".into()
}

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Failure> {
    if shared.down.load(Ordering::SeqCst) {
        return Err(broken());
    }
    let method = request.method().clone();
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let text = |name: &str| {
        let value = request.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let entry = {
        let mut seen = lock(&shared.seen);
        seen.push(Seen {
            method: method.to_string(),
            path: path.clone(),
            authorization: text("authorization"),
            range: text("range"),
            ..Seen::default()
        });
        Entry {
            shared: Arc::clone(&shared),
            index: seen.len() - 1,
        }
    };
    let ranged = request.headers().contains_key("range");
    let action = lock(&shared.faults).iter_mut().find_map(|fault| {
        fault
            .strikes(method.as_str(), &path, ranged)
            .then(|| fault.action.clone())
    });
    let (parts, body) = request.into_parts();
    let limits = {
        let mut allowance = lock(&shared.allowance);
        let passes = allowance
            .as_mut()
            .is_none_or(|allowance| allowance.take(method.as_str(), &path));
        let headers = allowance.as_ref().map(|allowance| allowance.headers());
        (passes, headers)
    };
    if let (false, Some(headers)) = &limits {
        let _ = body.collect().await;
        let text = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
        return answer(&entry, 429, headers, text.to_owned());
    }
    match &action {
        Some(Action::Answer {
            status,
            headers,
            body: text,
        }) => {
            // Read first, so that the client can hear the answer.
            let _ = body.collect().await;
            return answer(&entry, *status, headers, text.clone());
        }
        Some(Action::AnswerEarly { after, status }) => {
            let mut pieces = body.into_data_stream();
            let mut taken = 0;
            while taken < *after
                && let Some(piece) = pieces.next().await
            {
                taken += piece?.len() as u64;
            }
            return answer(&entry, *status, &[], String::new());
        }
        Some(Action::Silence { after: 0 }) => return std::future::pending().await,
        Some(Action::Delay(pause)) => tokio::time::sleep(*pause).await,
        _ => (),
    }
    let mut headers = passed_on(&parts.headers);
    let target = match &action {
        Some(Action::WithoutQuery) => path.split('?').next().unwrap_or(&path),
        _ => &path,
    };
    if let Some(Action::WithoutRequestHeader(name)) = &action {
        headers.remove(*name);
    }
    let mut upstream = shared
        .client
        .request(method, format!("http://{}{target}", shared.upstream))
        .headers(headers);
    if !body.is_end_stream() {
        upstream = upstream.body(reqwest::Body::wrap_stream(request_body(
            body,
            entry.clone(),
            action.clone(),
        )));
    }
    let response = upstream.send().await?;
    if matches!(action, Some(Action::LoseAnswer)) {
        return Err(broken());
    }
    let status = response.status();
    entry.change(|seen| seen.status = Some(status.as_u16()));
    let mut headers = passed_on(response.headers());
    match &action {
        Some(Action::DropHeader(name)) => {
            headers.remove(*name);
        }
        Some(Action::SetHeader(name, value)) => {
            headers.insert(*name, value.parse()?);
        }
        Some(Action::ShortResponse { after }) => {
            headers.insert(CONTENT_LENGTH, (*after).into());
        }
        _ => (),
    }
    for (name, value) in limits.1.into_iter().flatten() {
        headers.insert(name, value.parse()?);
    }
    let body = response_body(
        response
            .bytes_stream()
            .map_err(|error| Failure::from(error.to_string()))
            .boxed(),
        &entry,
        action,
    );
    let mut answer = Response::new(StreamBody::new(body.map_ok(Frame::data).boxed()));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

fn answer(
    entry: &Entry,
    status: u16,
    headers: &[(&'static str, String)],
    body: String,
) -> Result<Answer, Failure> {
    entry.change(|seen| seen.status = Some(status));
    let length = body.len();
    let pieces = futures_util::stream::iter([Ok(Frame::data(Bytes::from(body)))]).boxed();
    let mut builder = Response::builder()
        .status(status)
        .header(CONTENT_LENGTH, length);
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    Ok(builder.body(StreamBody::new(pieces))?)
}

/// Headers without those that are about one connection only.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [
        CONNECTION,
        TRANSFER_ENCODING,
        HeaderName::from_static("keep-alive"),
    ] {
        headers.remove(name);
    }
    headers
}

fn flip(piece: Bytes, begins: u64, at: u64) -> Bytes {
    let Some(index) = at
        .checked_sub(begins)
        .and_then(|index| usize::try_from(index).ok())
        .filter(|index| *index < piece.len())
    else {
        return piece;
    };
    let mut bytes = piece.to_vec();
    bytes[index] ^= 1;
    bytes.into()
}

fn request_body(
    body: Incoming,
    entry: Entry,
    action: Option<Action>,
) -> impl futures_util::Stream<Item = Result<Bytes, Failure>> + Send + 'static {
    let pieces: Pieces = body
        .into_data_stream()
        .map_err(|error| Failure::from(error.to_string()))
        .boxed();
    futures_util::stream::try_unfold(
        (pieces, 0_u64, false),
        move |(mut pieces, passed, ended)| {
            let (entry, action) = (entry.clone(), action.clone());
            async move {
                if ended {
                    // What was written before reaches the registry only if it is not dropped with the connection.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return Err(broken());
                }
                let Some(piece) = pieces.next().await else {
                    return Ok(None);
                };
                let mut piece = piece?;
                let mut ended = false;
                match action {
                    Some(Action::CutRequest { after }) if passed + piece.len() as u64 >= after => {
                        piece.truncate(usize::try_from(after - passed).unwrap_or(usize::MAX));
                        ended = true;
                    }
                    Some(Action::FlipRequest { at }) => piece = flip(piece, passed, at),
                    _ => (),
                }
                let length = piece.len() as u64;
                entry.change(|seen| seen.sent += length);
                Ok(Some((piece, (pieces, passed + length, ended))))
            }
        },
    )
}

fn response_body(pieces: Pieces, entry: &Entry, action: Option<Action>) -> Pieces {
    let pieces = match action {
        Some(Action::Dribble { piece: size }) => pieces
            .map_ok(move |piece| {
                let parts: Vec<_> = piece
                    .chunks(size)
                    .map(|part| Ok(piece.slice_ref(part)))
                    .collect();
                futures_util::stream::iter(parts).then(|part| async {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    part
                })
            })
            .try_flatten()
            .boxed(),
        _ => pieces,
    };
    let entry = entry.clone();
    futures_util::stream::try_unfold((pieces, 0_u64), move |(mut pieces, passed)| {
        let (entry, action) = (entry.clone(), action.clone());
        async move {
            match action {
                Some(Action::CutResponse { after }) if passed >= after => return Err(broken()),
                Some(Action::ShortResponse { after }) if passed >= after => return Ok(None),
                Some(Action::Silence { after }) if passed >= after => {
                    return std::future::pending().await;
                }
                _ => (),
            }
            let Some(piece) = pieces.next().await else {
                return Ok(None);
            };
            let mut piece: Bytes = piece?;
            match action {
                Some(
                    Action::CutResponse { after }
                    | Action::ShortResponse { after }
                    | Action::Silence { after },
                ) => piece.truncate(usize::try_from(after - passed).unwrap_or(usize::MAX)),
                Some(Action::FlipResponse { at }) => piece = flip(piece, passed, at),
                _ => (),
            }
            let length = piece.len() as u64;
            entry.change(|seen| seen.received += length);
            Ok(Some((piece, (pieces, passed + length))))
        }
    })
    .boxed()
}
