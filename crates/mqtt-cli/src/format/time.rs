//! The time of a message's arrival, printed as C's strftime prints it in the POSIX locale.

use std::cell::OnceCell;
use std::io::{self, Write};

use jiff::Zoned;
use jiff::fmt::StdIoWrite;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};

/// When a message was printed, in the zone that `TZ` or the system names: read at its first use, the same for every
/// part of the message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moment(OnceCell<Zoned>);

impl Moment {
    /// A known time, for tests.
    #[cfg(test)]
    pub(super) fn at(zoned: Zoned) -> Self {
        Self(OnceCell::from(zoned))
    }

    /// `%letter` of strftime; a letter that C does not have is printed as it stands.
    pub(super) fn strftime(&self, letter: char, out: &mut Vec<u8>) {
        if LETTERS.contains(letter) {
            self.write(&format!("%{letter}"), out);
        } else {
            let _infallible: io::Result<()> = write!(out, "%{letter}");
        }
    }

    /// What strftime makes of this format.
    pub(crate) fn strftime_text(&self, format: &str) -> String {
        let mut out = Vec::new();
        self.write(format, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// For example `2016-08-10T09:47:38+0100`.
    pub(super) fn iso8601(&self, out: &mut Vec<u8>) {
        self.write("%FT%T%z", out);
    }

    /// For example `2016-08-10T09:47:38.000123+0100`.
    pub(super) fn iso8601_micros(&self) -> String {
        self.zoned().strftime("%FT%T.%6f%z").to_string()
    }

    /// For example `1470818943.786368637`.
    pub(super) fn unix(&self, out: &mut Vec<u8>) {
        self.write("%s.%9f", out);
    }

    /// `786368637`.
    pub(super) fn nanoseconds(&self, out: &mut Vec<u8>) {
        self.write("%9f", out);
    }

    fn zoned(&self) -> &Zoned {
        self.0.get_or_init(Zoned::now)
    }

    fn write(&self, format: &str, out: &mut Vec<u8>) {
        let config = Config::new().custom(PosixCustom::new()).lenient(true);
        let time = BrokenDownTime::from(self.zoned());
        let written = time.format_with_config(&config, format, &mut StdIoWrite(out));
        debug_assert!(written.is_ok(), "a zoned time has every part that a letter may ask for: {written:?}");
    }
}

/// The single letters that C's strftime knows; others are extensions of the library and must not leak in.
const LETTERS: &str = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";
