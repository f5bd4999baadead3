//! Waiting until an application is ready: the same for every target.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Failure, NotReady, Readiness};

/// How long a target is left alone between two questions whether all is ready, or as long as the last answer took: a
/// machine that has to start a program for it has other things to do.
const POLL: Duration = Duration::from_millis(200);
/// A target that cannot be asked for so long is given up. An API server that is being replaced, or a manager that hands
/// over to another one, is back before.
const OUTAGE: Duration = Duration::from_mins(1);

/// A part of the application that is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// `deployment/web`
    pub(super) what: String,
    /// `1 of 2 ready`
    pub(super) why: String,
    /// It will not become ready by itself.
    pub(super) hopeless: bool,
}

impl Waiting {
    pub(super) fn for_it(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
            hopeless: false,
        }
    }

    fn line(&self) -> String {
        format!("{} ({})", self.what, self.why)
    }
}

/// Looks again and again until nothing is waited for any more. `reasons` says more of a part, in the order of what was
/// last looked at, when the time is over.
///
/// # Errors
/// The target cannot be asked, for longer than a moment.
pub(super) fn until_ready(
    limit: Duration,
    cancellation: &CancellationToken,
    say: &mut dyn FnMut(&str),
    mut look: impl FnMut() -> Result<Vec<Waiting>, Failure>,
    mut reasons: impl FnMut(&str) -> Vec<String>,
) -> Result<Readiness, Failure> {
    let deadline = Instant::now() + limit;
    let mut last = String::new();
    let mut away_since = None;
    loop {
        let asked = Instant::now();
        let waiting = match look() {
            Ok(waiting) => {
                away_since = None;
                Some(waiting)
            }
            Err(failure) => {
                let since = *away_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= OUTAGE || Instant::now() >= deadline {
                    return Err(failure);
                }
                None
            }
        };
        let line = match &waiting {
            Some(waiting) if waiting.is_empty() => return Ok(Readiness::Ready),
            Some(waiting) => {
                let lines: Vec<String> = waiting.iter().map(Waiting::line).collect();
                lines.join(", ")
            }
            None => "the target does not answer; it is asked again".to_owned(),
        };
        if line != last {
            say(&line);
            last = line;
        }
        if cancellation.is_cancelled() {
            return Ok(Readiness::Cancelled);
        }
        if let Some(waiting) = waiting
            && (Instant::now() >= deadline || waiting.iter().any(|part| part.hopeless))
        {
            let parts = waiting.into_iter().map(|part| NotReady {
                why: std::iter::once(part.why)
                    .chain(reasons(&part.what))
                    .collect(),
                what: part.what,
            });
            return Ok(Readiness::NotReady(parts.collect()));
        }
        std::thread::sleep(asked.elapsed().max(POLL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(
        limit: Duration,
        look: impl FnMut() -> Result<Vec<Waiting>, Failure>,
    ) -> (Result<Readiness, Failure>, Vec<String>) {
        let mut said = Vec::new();
        let result = until_ready(
            limit,
            &CancellationToken::new(),
            &mut |line| said.push(line.to_owned()),
            look,
            |what| vec![format!("log of {what}")],
        );
        (result, said)
    }

    #[test]
    fn an_outage_is_no_end() {
        let mut answers = vec![
            Ok(vec![]),
            Err(Failure::tool("away")),
            Err(Failure::tool("away")),
            Ok(vec![Waiting::for_it("deployment/web", "0 of 1 ready")]),
        ];
        let (result, said) = wait(Duration::from_mins(1), || answers.pop().unwrap());
        assert!(matches!(result, Ok(Readiness::Ready)));
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[test]
    fn what_is_hopeless_is_not_waited_for() {
        let part = Waiting {
            hopeless: true,
            ..Waiting::for_it("job/load", "it has failed")
        };
        let (result, _) = wait(Duration::from_mins(1), || Ok(vec![part.clone()]));
        let Ok(Readiness::NotReady(parts)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(parts[0].why, ["it has failed", "log of job/load"]);
    }
}
