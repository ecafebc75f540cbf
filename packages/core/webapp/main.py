"""What Streamlit runs anew for every visitor and every click."""

from core.webapp.layout import show

show()
