//! Whose image counts, where a tag may not change or both sides can change it.

use crate::images::Digest;

/// What both sides have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sides {
    /// Digest at the source.
    pub(super) source: Option<Digest>,
    /// Digest at the target.
    pub(super) target: Option<Digest>,
    /// Digest that both had after the last copy.
    pub(super) before: Option<Digest>,
    /// The tag may not change at the target.
    pub(super) immutable: bool,
    /// Images come back from the target.
    pub(super) mirrored: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The source's image goes to the target.
    Copy(Digest),
    /// The source has none.
    Missing,
    /// Nothing, and why.
    Leave(&'static str),
    /// A person has to decide.
    Conflict {
        reason: String,
        remedy: &'static str,
    },
}

/// Three-way comparison. Without it a mirror in both directions could put an old image over a new one: the job that
/// brings the old one back may run before the job that takes the new one over.
pub(super) fn decide(sides: &Sides) -> Verdict {
    let Some(source) = &sides.source else {
        return Verdict::Missing;
    };
    let Some(target) = &sides.target else {
        return Verdict::Copy(source.clone());
    };
    if source == target {
        return Verdict::Copy(source.clone());
    }
    if sides.immutable {
        return Verdict::Conflict {
            reason: format!(
                "the tag is immutable and has another image at the target ({} there, {} at the source)",
                target.short(),
                source.short()
            ),
            remedy: "Push the new image under a new tag, or delete the target's tag by hand.",
        };
    }
    if !sides.mirrored {
        return Verdict::Copy(source.clone());
    }
    match &sides.before {
        Some(before) if before == source => Verdict::Leave(
            "the target has changed since the last copy and the source has not: the way back brings it",
        ),
        Some(before) if before == target => Verdict::Copy(source.clone()),
        _ => Verdict::Conflict {
            reason: format!(
                "both sides have changed the tag since the last copy ({} at the source, {} at the target)",
                source.short(),
                target.short()
            ),
            remedy: "Decide which one counts and push it again, or delete the tag on the other side.",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(
        source: &str,
        target: &str,
        before: &str,
        immutable: bool,
        mirrored: bool,
    ) -> String {
        let digest = |text: &str| (!text.is_empty()).then(|| Digest::of(text.as_bytes()));
        match decide(&Sides {
            source: digest(source),
            target: digest(target),
            before: digest(before),
            immutable,
            mirrored,
        }) {
            Verdict::Copy(copied) => {
                assert_eq!(Some(copied), digest(source));
                "copy".to_owned()
            }
            Verdict::Missing => "missing".to_owned(),
            Verdict::Leave(_) => "leave".to_owned(),
            Verdict::Conflict { .. } => "conflict".to_owned(),
        }
    }

    #[test]
    fn one_way() {
        assert_eq!(verdict("1", "", "", false, false), "copy");
        assert_eq!(verdict("2", "1", "1", false, false), "copy");
        assert_eq!(
            verdict("1", "2", "1", false, false),
            "copy",
            "drift is mended"
        );
        assert_eq!(verdict("", "1", "1", false, false), "missing");
    }

    #[test]
    fn immutable_tags() {
        assert_eq!(verdict("1", "", "", true, false), "copy");
        assert_eq!(verdict("1", "1", "", true, false), "copy");
        assert_eq!(verdict("2", "1", "1", true, false), "conflict");
    }

    #[test]
    fn mirrors() {
        assert_eq!(
            verdict("2", "1", "1", false, true),
            "copy",
            "the source moved on"
        );
        assert_eq!(
            verdict("1", "2", "1", false, true),
            "leave",
            "the target moved on"
        );
        assert_eq!(verdict("2", "3", "1", false, true), "conflict");
        assert_eq!(verdict("2", "3", "", false, true), "conflict");
        assert_eq!(verdict("2", "", "", false, true), "copy");
    }
}
