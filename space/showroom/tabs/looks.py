"""The looks of Gradio's own parts: those of style.css, in Gradio's names."""

from __future__ import annotations

import gradio as gr

FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "Liberation Sans", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]


def theme() -> gr.themes.Base:
    """Return the looks of Gradio's own parts: fonts of the visitor's machine, colours of our style sheet."""
    plain = gr.themes.Base(font=FONTS, font_mono=MONO, text_size="md", radius_size="sm", spacing_size="md")
    light, dark = _LIGHT, _DARK
    both = {f"{name}{end}": value for end, values in (("", light), ("_dark", dark)) for name, value in values.items()}
    return plain.set(block_border_width="0px", block_padding="0px", input_border_width="1px", **both)


_LIGHT = {
    "body_background_fill": "#ffffff",
    "body_text_color": "#1a1f26",
    "body_text_color_subdued": "#58616d",
    "background_fill_primary": "#ffffff",
    "background_fill_secondary": "#f1f4f7",
    "block_background_fill": "#ffffff",
    "block_label_background_fill": "#ffffff",
    "block_label_text_color": "#58616d",
    "block_title_text_color": "#58616d",
    "block_info_text_color": "#58616d",
    "border_color_primary": "#d3d8de",
    "border_color_accent": "#0b5cab",
    "input_background_fill": "#ffffff",
    "input_border_color": "#aab3bd",
    "input_border_color_focus": "#0b5cab",
    "input_placeholder_color": "#6b7480",
    "color_accent_soft": "#f1f4f7",
    "checkbox_label_background_fill": "#ffffff",
    "checkbox_label_background_fill_selected": "#f1f4f7",
    "checkbox_label_border_color": "#d3d8de",
    "checkbox_background_color": "#ffffff",
    "checkbox_background_color_selected": "#0b5cab",
    "button_primary_background_fill": "#0b5cab",
    "button_primary_background_fill_hover": "#094a8a",
    "button_primary_border_color": "#0b5cab",
    "button_primary_text_color": "#ffffff",
    "button_secondary_background_fill": "#f1f4f7",
    "button_secondary_background_fill_hover": "#e3e8ed",
    "button_secondary_border_color": "#d3d8de",
    "button_secondary_text_color": "#1a1f26",
    "link_text_color": "#0b5cab",
}
_DARK = {
    "body_background_fill": "#14181d",
    "body_text_color": "#e8ebef",
    "body_text_color_subdued": "#a6b0bb",
    "background_fill_primary": "#14181d",
    "background_fill_secondary": "#1e242b",
    "block_background_fill": "#14181d",
    "block_label_background_fill": "#14181d",
    "block_label_text_color": "#a6b0bb",
    "block_title_text_color": "#a6b0bb",
    "block_info_text_color": "#a6b0bb",
    "border_color_primary": "#3a424c",
    "border_color_accent": "#79b8ff",
    "input_background_fill": "#1e242b",
    "input_border_color": "#4d5864",
    "input_border_color_focus": "#79b8ff",
    "input_placeholder_color": "#8d98a4",
    "color_accent_soft": "#1e242b",
    "checkbox_label_background_fill": "#14181d",
    "checkbox_label_background_fill_selected": "#1e242b",
    "checkbox_label_border_color": "#3a424c",
    "checkbox_background_color": "#14181d",
    "checkbox_background_color_selected": "#79b8ff",
    "button_primary_background_fill": "#79b8ff",
    "button_primary_background_fill_hover": "#9cc9ff",
    "button_primary_border_color": "#79b8ff",
    "button_primary_text_color": "#10151a",
    "button_secondary_background_fill": "#1e242b",
    "button_secondary_background_fill_hover": "#2a323b",
    "button_secondary_border_color": "#3a424c",
    "button_secondary_text_color": "#e8ebef",
    "link_text_color": "#79b8ff",
}
"""Gradio's names for what style.css calls page, ink, muted, rule, band and accent."""
