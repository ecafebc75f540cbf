"""What Streamlit runs anew for every visitor and every click."""

from core.page.layout import show

show()
