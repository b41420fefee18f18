//! Numbers as people say them. Machines read `report.json`.

/// A duration in milliseconds: `0.4 ms`, `12 ms`, `0.8 s`, `41 s`, `2 min 5 s`.
pub fn duration(milliseconds: f64) -> String {
    match milliseconds {
        ms if !ms.is_finite() || ms < 0.0 => "unknown".to_owned(),
        ms if ms < 0.05 => "0 ms".to_owned(),
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 499.5 => format!("{ms:.0} ms"),
        ms if ms < 9_950.0 => format!("{:.1} s", ms / 1e3),
        ms if ms < 99_500.0 => format!("{:.0} s", ms / 1e3),
        ms => {
            let seconds = (ms / 1e3).round();
            let (large, small, names) =
                if seconds < 6_000.0 { (60.0, 1.0, ["min", "s"]) } else { (3_600.0, 60.0, ["h", "min"]) };
            let rest = ((seconds % large) / small).floor();
            let whole = (seconds / large).floor();
            if rest > 0.0 {
                format!("{whole} {} {rest} {}", names[0], names[1])
            } else {
                format!("{whole} {}", names[0])
            }
        }
    }
}

/// A size: `512 B`, `24 kB`, `1.4 MB`, `412 MB`, `3.1 GB`; 1 kB is 1024 bytes, as PostgreSQL counts.
pub fn bytes(count: u64) -> String {
    let mut size = count as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB", "PB"] {
        if size < 1023.5 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    if unit == "B" || size >= 9.95 { format!("{size:.0} {unit}") } else { format!("{size:.1} {unit}") }
}

/// A whole number with separators: `1,204,331`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A planner's cost: `8.3`, `12,044`.
pub fn cost(cost: f64) -> String {
    if cost.abs() < 99.95 { format!("{cost:.1}") } else { count(cost.abs().round() as u64) }
}

/// How many times more: `1.4×`, `687×`; `None` when there was nothing before or the ratio says nothing.
pub fn times(before: f64, after: f64) -> Option<String> {
    let ratio = after / before;
    match ratio {
        ratio if before <= 0.0 || !ratio.is_finite() || ratio < 1.05 => None,
        ratio if ratio < 9.95 => Some(format!("{ratio:.1}×")),
        ratio => Some(format!("{}×", count(ratio.round() as u64))),
    }
}

/// `1 error`, `2 errors`, `no errors`.
pub fn plural(number: usize, one: &str) -> String {
    match number {
        0 => format!("no {}", plural_noun(one)),
        1 => format!("1 {one}"),
        more => format!("{} {}", count(more as u64), plural_noun(one)),
    }
}

/// `1 more error`, `2 more errors`.
pub fn more(number: usize, one: &str) -> String {
    plural(number, one).replacen(' ', " more ", 1)
}

fn plural_noun(one: &str) -> String {
    match one.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if one.ends_with('x') => format!("{one}es"),
        None => format!("{one}s"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn list<S: AsRef<str>>(words: &[S]) -> String {
    match words {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        for (milliseconds, text) in [
            (0.0, "0 ms"),
            (0.42, "0.4 ms"),
            (9.96, "10 ms"),
            (12.4, "12 ms"),
            (812.0, "0.8 s"),
            (2_345.0, "2.3 s"),
            (41_200.0, "41 s"),
            (125_000.0, "2 min 5 s"),
            (120_000.0, "2 min"),
            (7_260_000.0, "2 h 1 min"),
            (f64::NAN, "unknown"),
        ] {
            assert_eq!(duration(milliseconds), text);
        }
    }

    #[test]
    fn sizes_and_counts_read_like_speech() {
        for (size, text) in [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 kB"), (12_582_912, "12 MB")] {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(bytes(1024 * 1024 - 1), "1.0 MB");
        assert_eq!(bytes(u64::MAX), "16384 PB");
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_204_331, "1,204,331")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(times(7.0, 4_812.0).as_deref(), Some("687×"));
        assert_eq!(times(0.0, 4_812.0), None);
        assert_eq!(times(100.0, 99.0), None);
        assert_eq!(plural(1, "query"), "1 query");
        assert_eq!(plural(2, "query"), "2 queries");
        assert_eq!(plural(2, "index"), "2 indexes");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
