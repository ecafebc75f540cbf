"""Streamlit script of the page: Streamlit executes it for every visitor and after every interaction."""

from core.webapp.layout import show_page

show_page()
