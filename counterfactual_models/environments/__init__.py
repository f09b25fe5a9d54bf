"""Worlds made of other people's environments: Gymnasium's, with a policy as the disciple.

Nothing of Gymnasium is imported before an environment is made.
"""

from counterfactual_models.environments.episodes import History
from counterfactual_models.environments.making import from_gymnasium
from counterfactual_models.environments.seeds import Seeds
from counterfactual_models.environments.worlds import GymnasiumWorld

__all__ = ["GymnasiumWorld", "History", "Seeds", "from_gymnasium"]
