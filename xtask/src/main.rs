//! Automation of the house: `cargo xtask tidy`.

mod absence;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    match wanted.as_deref() {
        Some("tidy") => report(tidy()),
        _ => {
            eprintln!("usage: cargo xtask tidy    hold docs/ARCHITECTURE.md against the crates");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> Result<Vec<String>, String> {
    let mut problems = tidy::check()?;
    problems.extend(absence::check(&tidy::root())?);
    Ok(problems)
}

fn report(problems: Result<Vec<String>, String>) -> ExitCode {
    match problems {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
