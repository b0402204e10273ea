//! Numbers as a line of little bars.

/// From next to nothing to the peak.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The newest `width` of the values, the last one on the right, each as high as it is of the highest of them. Where there
/// are fewer, blanks stand on the left.
pub fn sparkline(values: &[i64], width: usize) -> String {
    let shown = &values[values.len().saturating_sub(width)..];
    let peak = shown.iter().copied().max().unwrap_or(0).max(1);
    let bar = |value: &i64| {
        let eighths = (value.clamp(&0, &peak) * 8 + peak - 1) / peak;
        BARS[(eighths.max(1) - 1) as usize]
    };
    let blanks = std::iter::repeat_n(' ', width - shown.len());
    blanks.chain(shown.iter().map(bar)).collect()
}

/// A bar of `width` columns: used, promised beyond that, and the rest of the whole.
pub fn gauge(used: i64, promised: i64, whole: i64, width: usize) -> String {
    let columns = |part: i64| match whole {
        1.. => ((part.clamp(0, whole) as f64 / whole as f64 * width as f64).round() as usize).min(width),
        _ => 0,
    };
    let used = columns(used);
    let promised = columns(promised).max(used);
    format!("{}{}{}", "█".repeat(used), "░".repeat(promised - used), "·".repeat(width - promised))
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn bars_are_as_high_as_their_values() {
        assert_eq!(sparkline(&[0, 1, 4, 8], 6), "  ▁▁▄█");
        assert_eq!(sparkline(&[5, 5, 5], 2), "██");
        assert_eq!(sparkline(&[0, 0], 2), "▁▁");
        assert_eq!(sparkline(&[], 3), "   ");
        assert_eq!(sparkline(&[i64::MAX / 16, i64::MAX / 32], 2), "█▄");
    }

    #[test]
    fn gauges_keep_their_width() {
        assert_eq!(gauge(25, 50, 100, 8), "██░░····");
        assert_eq!(gauge(50, 25, 100, 4), "██··");
        assert_eq!(gauge(150, 300, 100, 4), "████");
        assert_eq!(gauge(1, 1, 0, 4).width(), 4);
    }
}
