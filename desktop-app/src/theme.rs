//! How the window looks: every color, size, radius and font in one place. Change it here and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::epaint::text::{FontInsert, FontPriority, InsertFontFamily};
use egui::{
    Color32, Context, CornerRadius, FontData, FontFamily, FontId, Margin, Shadow, Stroke, Style,
    TextStyle, Theme, Ui, Vec2, Visuals, vec2,
};

/// Distances, in points.
pub mod space {
    /// Inside small things.
    pub const XS: f32 = 4.0;
    /// Between things that belong together.
    pub const S: f32 = 8.0;
    /// Between lines of a group.
    pub const M: f32 = 12.0;
    /// Between groups, and inside cards.
    pub const L: f32 = 16.0;
    /// Around the content.
    pub const XL: f32 = 24.0;
    /// Between parts of the window.
    pub const XXL: f32 = 40.0;
}

/// Corner radii, in points.
pub mod radius {
    /// Bars, badges.
    pub const S: u8 = 6;
    /// Buttons, tiles.
    pub const M: u8 = 9;
    /// Cards, dialogs.
    pub const L: u8 = 14;
}

/// Height of the bar on top.
pub const TOP_BAR: f32 = 60.0;
/// A tile of the grid is at least this wide.
pub const TILE: f32 = 158.0;

/// The colors of one appearance. Text on its ground reaches a contrast of 4.5 or more (WCAG 2 AA); a test holds it.
#[derive(Debug)]
pub struct Palette {
    /// Behind everything.
    pub ground: Color32,
    /// Cards, tiles, the bar on top.
    pub card: Color32,
    /// Buttons at rest, tracks of bars.
    pub raised: Color32,
    /// Buttons under the pointer.
    pub hovered: Color32,
    /// Thin lines around what is no control.
    pub line: Color32,
    /// Edges of buttons, fields and the like. They reach a contrast of 3 or more (WCAG 2.1, 1.4.11).
    pub edge: Color32,
    /// Text.
    pub text: Color32,
    /// Text of less weight.
    pub muted: Color32,
    /// The one color that says "here".
    pub accent: Color32,
    /// Text on `accent`.
    pub on_accent: Color32,
    /// A breath of it.
    pub accent_soft: Color32,
    /// Bars of the second answer and below.
    pub accent_quiet: Color32,
    /// "Not sure".
    pub doubt: Color32,
    /// Behind "not sure".
    pub doubt_soft: Color32,
    /// What went wrong.
    pub error: Color32,
    /// Behind what went wrong.
    pub error_soft: Color32,
    /// Behind dialogs.
    pub veil: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

static LIGHT: Palette = Palette {
    ground: rgb(0xF6_F6_F4),
    card: rgb(0xFF_FF_FF),
    raised: rgb(0xEC_EC_E9),
    hovered: rgb(0xE2_E2_DE),
    line: rgb(0xDD_DD_D8),
    edge: rgb(0x7E_83_8C),
    text: rgb(0x1C_1E_22),
    muted: rgb(0x5B_60_69),
    accent: rgb(0x2F_57_D9),
    on_accent: rgb(0xFF_FF_FF),
    accent_soft: rgb(0xE9_EE_FC),
    accent_quiet: rgb(0xA9_BB_F0),
    doubt: rgb(0x85_50_00),
    doubt_soft: rgb(0xFB_EF_D9),
    error: rgb(0xB3_26_1E),
    error_soft: rgb(0xFB_E9_E7),
    veil: Color32::from_rgba_premultiplied(10, 11, 14, 110),
};

static DARK: Palette = Palette {
    ground: rgb(0x14_15_18),
    card: rgb(0x1D_1F_23),
    raised: rgb(0x2A_2D_33),
    hovered: rgb(0x36_3A_42),
    line: rgb(0x32_35_3C),
    edge: rgb(0x7C_83_90),
    text: rgb(0xEC_ED_EF),
    muted: rgb(0xA3_A8_B2),
    accent: rgb(0x8F_AA_FF),
    on_accent: rgb(0x10_14_24),
    accent_soft: rgb(0x23_2B_45),
    accent_quiet: rgb(0x4A_5A_90),
    doubt: rgb(0xF0_BE_6A),
    doubt_soft: rgb(0x3A_2E_18),
    error: rgb(0xFF_9A_90),
    error_soft: rgb(0x40_22_20),
    veil: Color32::from_rgba_premultiplied(0, 0, 0, 150),
};

/// The colors of this appearance.
pub fn of(theme: Theme) -> &'static Palette {
    match theme {
        Theme::Light => &LIGHT,
        Theme::Dark => &DARK,
    }
}

/// The colors in use.
pub fn palette(ui: &Ui) -> &'static Palette {
    of(if ui.visuals().dark_mode {
        Theme::Dark
    } else {
        Theme::Light
    })
}

fn semibold() -> FontFamily {
    FontFamily::Name("semibold".into())
}

/// The answer itself.
pub fn display() -> TextStyle {
    TextStyle::Name("display".into())
}

/// Titles of panels and lists.
pub fn title() -> TextStyle {
    TextStyle::Name("title".into())
}

/// Body text with weight.
pub fn strong() -> TextStyle {
    TextStyle::Name("strong".into())
}

/// Gives `context` the fonts and both appearances.
pub fn install(context: &Context) {
    let family = |family, priority| InsertFontFamily { family, priority };
    let regular = FontData::from_static(include_bytes!("../assets/fonts/Inter-Regular.otf"));
    context.add_font(FontInsert::new(
        "inter",
        regular,
        vec![
            family(FontFamily::Proportional, FontPriority::Highest),
            family(semibold(), FontPriority::Lowest),
        ],
    ));
    let bold = FontData::from_static(include_bytes!("../assets/fonts/Inter-SemiBold.otf"));
    context.add_font(FontInsert::new(
        "inter-semibold",
        bold,
        vec![family(semibold(), FontPriority::Highest)],
    ));
    for theme in [Theme::Light, Theme::Dark] {
        context.set_style_of(theme, style(theme));
    }
    // Where the system does not say.
    context.options_mut(|options| options.fallback_theme = Theme::Light);
}

fn style(theme: Theme) -> Arc<Style> {
    let regular = |size| FontId::new(size, FontFamily::Proportional);
    let bold = |size| FontId::new(size, semibold());
    let text_styles: BTreeMap<TextStyle, FontId> = [
        (TextStyle::Small, regular(12.5)),
        (TextStyle::Body, regular(14.5)),
        (TextStyle::Button, regular(14.5)),
        (TextStyle::Heading, bold(22.0)),
        (
            TextStyle::Monospace,
            FontId::new(13.5, FontFamily::Monospace),
        ),
        (strong(), bold(14.5)),
        (title(), bold(17.0)),
        (display(), bold(30.0)),
    ]
    .into();
    let mut style = Style {
        text_styles,
        visuals: visuals(theme),
        animation_time: 0.12,
        ..Style::default()
    };
    style.spacing.item_spacing = vec2(space::S, space::S);
    style.spacing.button_padding = vec2(14.0, 7.0);
    style.spacing.interact_size = vec2(36.0, 34.0);
    style.spacing.window_margin = Margin::same(24);
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.combo_width = 120.0;
    style.spacing.text_edit_width = 200.0;
    style.spacing.icon_width = 18.0;
    style.spacing.icon_width_inner = 10.0;
    style.spacing.tooltip_width = 360.0;
    style.interaction.tooltip_delay = 0.4;
    style.interaction.selectable_labels = false;
    Arc::new(style)
}

fn visuals(theme: Theme) -> Visuals {
    let p = of(theme);
    let mut v = match theme {
        Theme::Light => Visuals::light(),
        Theme::Dark => Visuals::dark(),
    };
    let round = CornerRadius::same(radius::M);
    v.panel_fill = p.ground;
    v.window_fill = p.card;
    // On dark ground a shadow is not seen: menus and dialogs need an edge that is.
    v.window_stroke = Stroke::new(1.0, if v.dark_mode { p.edge } else { p.line });
    v.window_corner_radius = CornerRadius::same(radius::L);
    v.menu_corner_radius = round;
    v.extreme_bg_color = p.card;
    v.text_edit_bg_color = Some(p.card);
    v.faint_bg_color = p.raised;
    v.code_bg_color = p.raised;
    v.hyperlink_color = p.accent;
    v.warn_fg_color = p.doubt;
    v.error_fg_color = p.error;
    v.weak_text_color = Some(p.muted);
    v.selection.bg_fill = p.accent_soft;
    v.selection.stroke = Stroke::new(1.5, p.accent);
    let shadow = |alpha| Shadow {
        offset: [0, 6],
        blur: 28,
        spread: 0,
        color: Color32::from_black_alpha(alpha),
    };
    v.window_shadow = shadow(if v.dark_mode { 110 } else { 40 });
    v.popup_shadow = shadow(if v.dark_mode { 90 } else { 28 });
    let w = &mut v.widgets;
    for (widget, fill, stroke, text) in [
        (
            &mut w.noninteractive,
            p.card,
            Stroke::new(1.0, p.line),
            p.text,
        ),
        (&mut w.inactive, p.card, Stroke::new(1.0, p.edge), p.text),
        (&mut w.hovered, p.raised, Stroke::new(1.0, p.muted), p.text),
        (&mut w.active, p.hovered, Stroke::new(2.0, p.accent), p.text),
        (&mut w.open, p.raised, Stroke::new(1.0, p.muted), p.text),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = stroke;
        widget.fg_stroke = Stroke::new(1.0, text);
        widget.corner_radius = round;
        widget.expansion = 0.0;
    }
    v
}

/// A card: a surface with a thin line around it.
pub fn card(p: &Palette) -> egui::Frame {
    egui::Frame::new()
        .fill(p.card)
        .stroke(Stroke::new(1.0, p.line))
        .corner_radius(radius::L)
        .inner_margin(Margin::same(space::L as i8))
}

/// Room at the sides of the window's content: less in narrow windows.
pub fn side_margin(ui: &Ui) -> f32 {
    if ui.ctx().content_rect().width() < 560.0 {
        space::M
    } else {
        space::XL
    }
}

/// The space around a page: at the sides as everywhere, and `bottom` below.
pub fn page_margin(ui: &Ui, bottom: i8) -> Margin {
    let side = side_margin(ui) as i8;
    Margin {
        left: side,
        right: side,
        top: 4,
        bottom,
    }
}

/// The window's first size, and the smallest that makes sense, in points.
pub const FIRST_SIZE: Vec2 = vec2(1120.0, 780.0);
/// See [`FIRST_SIZE`].
pub const LEAST_SIZE: Vec2 = vec2(420.0, 420.0);

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2 relative luminance.
    fn luminance(color: Color32) -> f32 {
        let linear = |byte: u8| {
            let c = f32::from(byte) / 255.0;
            if c <= 0.040_45 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    }

    fn contrast(a: Color32, b: Color32) -> f32 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read() {
        for theme in [Theme::Light, Theme::Dark] {
            let p = of(theme);
            for (what, text, ground) in [
                ("text on ground", p.text, p.ground),
                ("text on card", p.text, p.card),
                ("text on button", p.text, p.raised),
                ("text on hovered", p.text, p.hovered),
                ("muted on ground", p.muted, p.ground),
                ("muted on card", p.muted, p.card),
                ("muted on raised", p.muted, p.raised),
                ("muted on accent soft", p.muted, p.accent_soft),
                ("on accent", p.on_accent, p.accent),
                ("accent on card", p.accent, p.card),
                ("accent on ground", p.accent, p.ground),
                ("accent on soft", p.accent, p.accent_soft),
                ("doubt", p.doubt, p.doubt_soft),
                ("doubt on card", p.doubt, p.card),
                ("error", p.error, p.error_soft),
                ("text on error", p.text, p.error_soft),
                ("error on card", p.error, p.card),
            ] {
                let c = contrast(text, ground);
                assert!(c >= 4.5, "{theme:?}: {what} has a contrast of {c:.2}");
            }
            for (what, edge, ground) in [
                ("edge on ground", p.edge, p.ground),
                ("edge on card", p.edge, p.card),
                ("edge on raised", p.edge, p.raised),
                ("accent on ground", p.accent, p.ground),
                ("accent on raised", p.accent, p.raised),
                ("doubt mark on card", p.doubt, p.card),
                ("text on accent", p.on_accent, p.accent),
            ] {
                let c = contrast(edge, ground);
                assert!(c >= 3.0, "{theme:?}: {what} has a contrast of {c:.2}");
            }
        }
    }
}
