"""How a discrete world is run down every path: its sites, one path a run, or many abreast."""

__all__: list[str] = []
