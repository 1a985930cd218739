"""Read by `make jupyter` beside the user's own configuration."""

from d3s_utils.notebook.saving import strip

c = get_config()  # noqa: F821, Jupyter hands it in
c.ContentsManager.pre_save_hook = strip
