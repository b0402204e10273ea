//! Kubernetes quantities (`apimachinery/pkg/api/resource/quantity.go`): `250m`, `1.5Gi`, `2e3`, `100M`.

/// A quantity in billionths of its unit, exact for every value Kubernetes accepts (nano is its finest suffix).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(pub i128);

const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// A whole number of units.
    pub fn whole(n: i64) -> Self {
        Quantity(i128::from(n) * NANO)
    }

    /// Reads a quantity; `None` where the text is not one. Fractions below a billionth round up, as Kubernetes does.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (scale_num, scale_exp): (i128, i32) = match suffix {
            "" => (1, 0),
            "n" => (1, -9),
            "u" => (1, -6),
            "m" => (1, -3),
            "k" => (1, 3),
            "M" => (1, 6),
            "G" => (1, 9),
            "T" => (1, 12),
            "P" => (1, 15),
            "E" => (1, 18),
            "Ki" => (1 << 10, 0),
            "Mi" => (1 << 20, 0),
            "Gi" => (1 << 30, 0),
            "Ti" => (1 << 40, 0),
            "Pi" => (1 << 50, 0),
            "Ei" => (1 << 60, 0),
            s if s.starts_with(['e', 'E']) => (1, s[1..].parse::<i8>().ok()?.into()),
            _ => return None,
        };
        decimal(number, scale_num, scale_exp + 9).map(Quantity)
    }

    /// In thousandths, rounded up: what CPU is compared in.
    pub fn milli(self) -> i64 {
        clamp(div_up(self.0, NANO / 1_000))
    }

    /// In whole units, rounded up: bytes, pods, devices.
    pub fn units(self) -> i64 {
        clamp(div_up(self.0, NANO))
    }
}

/// Amounts of CPU and memory as somebody typed them, each a quantity; `None` is "not named".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// `500m`
    pub cpu: Option<String>,
    /// `512Mi`
    pub memory: Option<String>,
}

impl Amounts {
    /// Names one amount: `field` is `cpu` or `memory` (`mem`).
    ///
    /// # Errors
    /// A sentence: it is another field, or no quantity above zero.
    pub fn set(&mut self, field: &str, value: &str) -> Result<(), String> {
        let place = match field {
            "cpu" => &mut self.cpu,
            "memory" | "mem" => &mut self.memory,
            _ => return Err(format!("`{field}` is neither cpu nor memory")),
        };
        if Quantity::parse(value).is_none_or(|quantity| quantity.0 <= 0) {
            return Err(format!("`{value}` is not a quantity such as 500m or 1Gi"));
        }
        *place = Some(value.into());
        Ok(())
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_none()
    }

    /// What is named: `("cpu", "500m")`.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("cpu", &self.cpu), ("memory", &self.memory)];
        all.into_iter().filter_map(|(field, value)| Some((field, value.as_deref()?)))
    }
}

/// `number × mul × 10^exp`, rounded up; `None` for malformed numbers and overflow.
fn decimal(number: &str, mul: i128, exp: i32) -> Option<i128> {
    let (negative, digits) = match number.as_bytes().first()? {
        b'-' => (true, &number[1..]),
        b'+' => (false, &number[1..]),
        _ => (false, number),
    };
    let (int, frac) = digits.split_once('.').unwrap_or((digits, ""));
    if (int.is_empty() && frac.is_empty()) || frac.len() > 30 {
        return None;
    }
    let mut value: i128 = 0;
    for c in int.bytes().chain(frac.bytes()) {
        let digit = c.is_ascii_digit().then(|| i128::from(c - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    value = value.checked_mul(mul)?;
    let shift = exp - i32::try_from(frac.len()).ok()?;
    let value = match shift {
        0.. => value.checked_mul(10i128.checked_pow(shift.unsigned_abs())?)?,
        _ => 10i128.checked_pow(shift.unsigned_abs()).map_or(i128::from(value > 0), |by| div_up(value, by)),
    };
    Some(if negative { -value } else { value })
}

fn div_up(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

fn clamp(value: i128) -> i64 {
    value.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// Bytes for people: `310Mi`, `1.1Gi`; exact where no unit divides well.
pub fn human_bytes(bytes: i64) -> String {
    const UNITS: [(&str, i64); 5] =
        [("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes.abs() >= size {
            let tenths = (bytes as f64 / size as f64 * 10.0).round() as i64;
            return if tenths % 10 == 0 || tenths.abs() >= 1_000 {
                format!("{}{unit}", (tenths as f64 / 10.0).round())
            } else {
                format!("{:.1}{unit}", tenths as f64 / 10.0)
            };
        }
    }
    bytes.to_string()
}

/// CPU for people, from thousandths: `250m`, `2`, `1.5`.
pub fn human_cpu(milli: i64) -> String {
    match milli {
        m if m % 1_000 == 0 => (m / 1_000).to_string(),
        m if m.abs() > 1_000 && m % 100 == 0 => format!("{:.1}", m as f64 / 1_000.0),
        m => format!("{m}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_grammar() {
        let units = |t| Quantity::parse(t).map(Quantity::units);
        assert_eq!(units("1.5Gi"), Some(1_610_612_736));
        assert_eq!(units("100M"), Some(100_000_000));
        assert_eq!(units("2e3"), Some(2_000));
        assert_eq!(units("1E"), Some(1_000_000_000_000_000_000));
        assert_eq!(units("128974848000m"), Some(128_974_848));
        assert_eq!(units("8Ei"), Some(i64::MAX), "saturates");
        assert_eq!(units("-5"), Some(-5));
        assert_eq!(units("1m"), Some(1), "rounds up");
        assert_eq!(units("0.5Ki"), Some(512));
        for bad in ["", "1.2.3", "Gi", "1Gb", "1e", "--1", "."] {
            assert_eq!(units(bad), None, "{bad}");
        }
        let milli = |t| Quantity::parse(t).map(Quantity::milli);
        assert_eq!(milli("250m"), Some(250));
        assert_eq!(milli("0.1"), Some(100));
        assert_eq!(milli("1500001u"), Some(1_501), "rounds up");
        assert_eq!(milli("2"), Some(2_000));
    }

    #[test]
    fn people_read_them() {
        assert_eq!(human_bytes(325_058_560), "310Mi");
        assert_eq!(human_bytes(1_181_116_006), "1.1Gi");
        assert_eq!(human_bytes(2 << 30), "2Gi");
        assert_eq!(human_cpu(250), "250m");
        assert_eq!(human_cpu(2_000), "2");
        assert_eq!(human_cpu(1_500), "1.5");
    }
}
