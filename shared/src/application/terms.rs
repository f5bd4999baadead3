//! The terms of the migration time (TMHCC, 2018): T1 = T_OrcConvert + T_OrcRep + T_ImageSync + T_AppRun, and
//! T2 = T1 - T_ImageSync where the images were there before.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long each part of a migration took, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// `T_OrcConvert`: reading, converting and writing the orchestration.
    pub convert: f64,
    /// `T_OrcRep`: bringing the orchestration to the target.
    pub replicate: f64,
    /// `T_ImageSync`: copying the images that the target lacks.
    pub image_sync: f64,
    /// `T_AppRun`: from handing over to the native tool until the application is ready.
    pub run: f64,
    /// All images were at the target before: pre-synchronisation has saved `T_ImageSync`.
    pub images_were_there: bool,
}

impl Terms {
    /// The whole time.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.convert + self.replicate + self.image_sync + self.run
    }

    /// The terms with their names in the paper, in its order.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64, &'static str); 4] {
        [
            ("T_OrcConvert", self.convert, "conversion"),
            ("T_OrcRep", self.replicate, "orchestration to the target"),
            ("T_ImageSync", self.image_sync, "images to the target"),
            ("T_AppRun", self.run, "start until ready"),
        ]
    }

    /// A line for each term and one for the total.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (name, seconds, what) in self.named() {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "  {name:<13}{seconds:>8.2} s  {what}");
        }
        let _ = write!(out, "  {:<13}{:>8.2} s", "total", self.total());
        if self.images_were_there {
            out.push_str("  the images were there already: T2");
        }
        out.push('\n');
        out
    }
}

/// Seconds of a duration.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
