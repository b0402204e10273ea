//! Colours as numbers: how far they are apart, how well one is read on another, which of fewer is nearest.

use ratatui::style::Color;

/// The 16 colours as xterm has them; what a terminal makes of them is its own affair.
const SIXTEEN: [(Color, Rgb); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (205, 0, 0)),
    (Color::Green, (0, 205, 0)),
    (Color::Yellow, (205, 205, 0)),
    (Color::Blue, (0, 0, 238)),
    (Color::Magenta, (205, 0, 205)),
    (Color::Cyan, (0, 205, 205)),
    (Color::Gray, (229, 229, 229)),
    (Color::DarkGray, (127, 127, 127)),
    (Color::LightRed, (255, 0, 0)),
    (Color::LightGreen, (0, 255, 0)),
    (Color::LightYellow, (255, 255, 0)),
    (Color::LightBlue, (92, 92, 255)),
    (Color::LightMagenta, (255, 0, 255)),
    (Color::LightCyan, (0, 255, 255)),
    (Color::White, (255, 255, 255)),
];

/// Steps of the colour cube 16–231 of 256 colours.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

type Rgb = (u8, u8, u8);

/// Red, green and blue; `None` for the terminal's own ground and text, which nobody knows here.
pub fn rgb(colour: Color) -> Option<Rgb> {
    match colour {
        Color::Reset => None,
        Color::Rgb(r, g, b) => Some((r, g, b)),
        Color::Indexed(n @ 0..16) => Some(SIXTEEN[usize::from(n)].1),
        Color::Indexed(n @ 16..232) => {
            let n = usize::from(n - 16);
            Some((STEPS[n / 36], STEPS[n / 6 % 6], STEPS[n % 6]))
        }
        Color::Indexed(n) => Some((8 + (n - 232) * 10, 8 + (n - 232) * 10, 8 + (n - 232) * 10)),
        named => SIXTEEN.iter().find(|(known, _)| *known == named).map(|(_, rgb)| *rgb),
    }
}

/// Light per channel, 0 to 1 (sRGB, IEC 61966-2-1).
fn linear(channel: u8) -> f64 {
    let c = f64::from(channel) / 255.0;
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

/// Relative luminance, 0 to 1 (WCAG 2.2).
pub fn luminance((r, g, b): Rgb) -> f64 {
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

/// Contrast ratio, 1 to 21 (WCAG 2.2); `None` where one of them is the terminal's own.
pub fn contrast(a: Color, b: Color) -> Option<f64> {
    let (a, b) = (luminance(rgb(a)?), luminance(rgb(b)?));
    Some((a.max(b) + 0.05) / (a.min(b) + 0.05))
}

/// Black or white, whichever is read better on a ground.
pub fn readable_on(ground: Color) -> Color {
    match rgb(ground).map(luminance) {
        // Where both give the same contrast: (l + 0.05)² = 0.05 · 1.05.
        Some(light) if light > 0.179 => Color::Black,
        _ => Color::White,
    }
}

/// How different two colours look (Oklab, Björn Ottosson 2020), squared.
fn distance(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (oklab(a), oklab(b));
    (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2) + (a.2 - b.2).powi(2)
}

fn oklab((r, g, b): Rgb) -> (f64, f64, f64) {
    let (r, g, b) = (linear(r), linear(g), linear(b));
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    (
        0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
        1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
        0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
    )
}

/// The nearest of 256 colours; the first 16, which users change, are left as they are.
pub fn to_256(colour: Color) -> Color {
    let Color::Rgb(r, g, b) = colour else { return colour };
    let all = (16..=255).map(Color::Indexed);
    nearest((r, g, b), all).unwrap_or(colour)
}

/// The nearest of the terminal's 16 colours.
pub fn to_16(colour: Color) -> Color {
    match (colour, rgb(colour)) {
        (Color::Rgb(..) | Color::Indexed(_), Some(rgb)) => {
            nearest(rgb, SIXTEEN.iter().map(|(colour, _)| *colour)).unwrap_or(colour)
        }
        _ => colour,
    }
}

fn nearest(wanted: Rgb, of: impl Iterator<Item = Color>) -> Option<Color> {
    let far = |colour: &Color| rgb(*colour).map_or(f64::MAX, |found| distance(wanted, found));
    of.min_by(|a, b| far(a).total_cmp(&far(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_the_guideline() {
        let near = |a, b, wanted: f64| (contrast(a, b).unwrap() - wanted).abs() < 0.05;
        assert!(near(Color::Black, Color::White, 21.0));
        assert!(near(Color::Rgb(0x77, 0x77, 0x77), Color::White, 4.48));
        assert_eq!(contrast(Color::Reset, Color::White), None);
    }

    #[test]
    fn the_nearest_colour_is_what_the_eye_takes_it_for() {
        assert_eq!(to_256(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(to_256(Color::Rgb(0x80, 0x80, 0x80)), Color::Indexed(244));
        assert_eq!(to_256(Color::LightBlue), Color::LightBlue);
        assert_eq!(to_16(Color::Rgb(0xff, 0x6b, 0x6b)), to_16(Color::Indexed(203)));
        assert_eq!(to_16(Color::Rgb(10, 10, 12)), Color::Black);
        assert_eq!(to_16(Color::Rgb(250, 250, 250)), Color::White);
        assert_eq!(to_16(Color::Reset), Color::Reset);
    }

    #[test]
    fn on_light_ground_black_is_read_and_on_dark_white() {
        assert_eq!(readable_on(Color::Yellow), Color::Black);
        assert_eq!(readable_on(Color::Blue), Color::White);
        assert_eq!(readable_on(Color::Rgb(0xb3, 0, 0x1b)), Color::White);
    }
}
