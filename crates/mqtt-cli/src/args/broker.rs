//! `mqtt broker`.

use std::path::PathBuf;

use super::{Command, Reader, UsageError, version};

/// Checked options of `mqtt broker`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BrokerArgs {
    pub(crate) file: Option<PathBuf>,
    pub(crate) port: Option<u16>,
    pub(crate) verbose: bool,
    pub(crate) test_config: bool,
}

pub(super) fn parse(reader: &mut Reader) -> Result<Command, UsageError> {
    let mut args = BrokerArgs::default();
    while let Some(option) = reader.next_option()? {
        match option.as_str() {
            "-h" | "--help" => return Ok(Command::Show(HELP.into())),
            "--version" => return Ok(Command::Show(version())),
            "-c" | "--config-file" if args.file.is_some() => {
                return Err(reader.error("was given already; one file can name others with include_dir"));
            }
            "-c" | "--config-file" => args.file = Some(reader.path()?),
            "-p" | "--port" => args.port = Some(reader.number("a port", 0..=u16::MAX)?),
            "-v" | "--verbose" => args.verbose = true,
            "--test-config" => args.test_config = true,
            "-d" | "--daemon" => {
                return Err(reader.error("is not supported; let systemd (docs/mqtt-broker.service) or '&' do it"));
            }
            _ => return Err(reader.error("is not an option of this command; --help lists them")),
        }
    }
    if args.test_config && args.file.is_none() {
        return Err(UsageError::new("--test-config needs a file; give it with -c"));
    }
    Ok(Command::Broker(Box::new(args)))
}

const HELP: &str = include_str!("broker.txt");

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn parsed(line: &str) -> Result<BrokerArgs, String> {
        match super::super::parse(line.split_whitespace().map(OsString::from)) {
            Ok(Command::Broker(args)) => Ok(*args),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_options_of_mosquitto_are_taken() {
        assert_eq!(parsed("broker"), Ok(BrokerArgs::default()));
        let args = BrokerArgs { file: Some("a.conf".into()), port: Some(1884), verbose: true, test_config: false };
        assert_eq!(parsed("broker -c a.conf -p 1884 -v").as_ref(), Ok(&args));
        assert_eq!(parsed("broker --config-file a.conf --port 1884 --verbose"), Ok(args));
        assert!(parsed("broker -c a.conf --test-config").unwrap().test_config);
    }

    #[test]
    fn a_mistake_is_named_with_its_remedy() {
        for (line, words) in [
            ("broker -p 65536", "-p takes a port from 0 to 65535, not '65536'"),
            ("broker -c", "-c needs a value"),
            ("broker -c a -c b", "include_dir"),
            ("broker -d", "let systemd"),
            ("broker --test-config", "give it with -c"),
            ("broker -x", "-x is not an option of this command; --help lists them"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
