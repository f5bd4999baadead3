//! The report for people.

use std::fmt::Write as _;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};

use crate::finding::{Finding, Findings, Severity};
use crate::source::Sources;

/// How the report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With excerpts of the source, for a terminal; else one line for each finding, for logs.
    pub excerpts: bool,
    /// With colours.
    pub colour: bool,
    /// With findings that have no effect at run time.
    pub info: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// So many findings are shown with an excerpt; the rest as lines, which can be read faster.
const MOST_EXCERPTS: usize = 20;

/// All findings as text, errors first.
#[must_use]
pub fn to_text(findings: &Findings, sources: &Sources, style: Style) -> String {
    let mut shown: Vec<_> = findings
        .as_slice()
        .iter()
        .map(|finding| (finding.severity(), finding))
        .filter(|(severity, _)| style.info || *severity > Severity::Info)
        .collect();
    shown.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    let mut out = String::new();
    let mut excerpts = Excerpts::new(sources, style);
    for (index, (severity, finding)) in shown.into_iter().enumerate() {
        if style.excerpts && index < MOST_EXCERPTS && severity > Severity::Info {
            excerpts.render(finding, &mut out);
        } else {
            line(finding, severity, sources, &mut out);
        }
    }
    out
}

/// One line: how many findings of each severity there are.
#[must_use]
pub fn summary(findings: &Findings, style: Style) -> Option<String> {
    let parts: Vec<_> = [
        (Severity::Error, "error", "errors"),
        (Severity::Loss, "loss", "losses"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Info, "note", "notes"),
    ]
    .into_iter()
    .filter_map(|(severity, one, many)| match findings.count(severity) {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    })
    .collect();
    if parts.is_empty() {
        return None;
    }
    let hint = if findings.count(Severity::Info) > 0 && !style.info {
        " (notes: --verbose)"
    } else {
        ""
    };
    Some(format!("{}{hint}", parts.join(", ")))
}

/// `compose.yaml:7:5: loss[ulimits-not-carried]: message; remedy`
fn line(finding: &Finding, severity: Severity, sources: &Sources, out: &mut String) {
    if let Some(place) = finding.place(sources) {
        let _ = write!(out, "{place}: ");
    }
    let _ = write!(
        out,
        "{}[{}]: {}",
        word(severity),
        finding.code.0,
        finding.message
    );
    if severity > Severity::Info {
        let _ = write!(out, ". {}", finding.explanation().remedy);
    }
    out.push('\n');
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Loss => "loss",
        Severity::Error => "error",
    }
}

struct Excerpts<'s> {
    sources: &'s Sources,
    handler: GraphicalReportHandler,
    /// The texts, shared by all excerpts of a file.
    texts: Vec<Option<Arc<NamedSource<String>>>>,
}

impl<'s> Excerpts<'s> {
    fn new(sources: &'s Sources, style: Style) -> Self {
        let theme = if style.colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        Self {
            sources,
            handler: GraphicalReportHandler::new_themed(theme)
                .with_width(style.width)
                .with_links(false),
            texts: vec![None; sources.files().len()],
        }
    }

    fn render(&mut self, finding: &Finding, out: &mut String) {
        let severity = finding.severity();
        let source = finding.at.and_then(|at| {
            let index = self.sources.files().iter().position(|f| {
                self.sources
                    .get(at.file)
                    .is_some_and(|g| std::ptr::eq(f, g))
            })?;
            let slot = self.texts.get_mut(index)?;
            let file = self.sources.get(at.file)?;
            let text = slot
                .get_or_insert_with(|| Arc::new(NamedSource::new(&file.name, file.text.clone())))
                .clone();
            Some((text, self.sources.offset(at)?))
        });
        let explanation = finding.explanation();
        let shown = Shown {
            message: finding.message.clone(),
            code: format!("{}: {}", word(severity), finding.code.0),
            help: format!("{} {}", explanation.consequence, explanation.remedy),
            severity,
            label: finding.path.clone(),
            source,
        };
        if self.handler.render_report(out, &shown).is_err() {
            line(finding, severity, self.sources, out);
        }
    }
}

/// A finding as miette wants it.
#[derive(Debug)]
struct Shown {
    message: String,
    code: String,
    help: String,
    severity: Severity,
    label: String,
    source: Option<(Arc<NamedSource<String>>, usize)>,
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(&self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Info => miette::Severity::Advice,
            Severity::Warning => miette::Severity::Warning,
            Severity::Loss | Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source
            .as_ref()
            .map(|(text, _)| text.as_ref() as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, offset) = self.source.as_ref()?;
        let label = (!self.label.is_empty()).then(|| self.label.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new(
            label, *offset, 1,
        ))))
    }
}
