"""How small a target is hit, measured against what chance does without the disciple? In bits.

| file | question |
|---|---|
| ``exceedance`` | how small a share of what chance does is at least as good? |
| ``joint`` | how many bits are bits in several independent processes, taken together? |
| ``lotteries`` | how small a share of all lotteries is at least as good as this one? |
| ``mixtures`` | how many bits is it to reach a mixture of outcomes, and which axioms are kept? |
| ``nearest_laws`` | which law nearest to the baseline has a mean utility this high? |
| ``achieved`` | how many bits did the draws of a world achieve, one by one and together? |
| ``baselines``, ``own_draws`` | where is the erased world, by plain draws and by weighted ones? |
| ``summaries`` | in which numbers is a law of bits told? |
| ``counting`` | how many bits are in r of n draws that did as well, and in none? |
| ``reweighted`` | how unlikely is without the disciple what the worlds with it often reach? |
| ``splitting`` | how often does chance reach what it never reaches in any draw? |
| ``halving_runs``, ``swarm``, ``moves`` | where are the particles, how do they move? |
| ``pareto_tail`` | how unlikely is a target a little beyond what the baseline was seen to reach? |
| ``coarse`` | how many bits does it take to get into a cell of worlds as good? |
| ``levels`` | do the bits of levels add up, where their tails are known exactly? |
| ``circumstances`` | from which starts, and against whom, were the bits reached? |
| ``search_quality`` | how good is a search, for its price and for what it could do? |
| ``best_of_n`` | of how many options drawn by chance would the best be as good? |
| ``best_of_n_found``, ``best_of_n_grid``, ``best_of_n_levels`` | what is known of that number? |
| ``best_of_n_laws`` | what do the best of N, contested choices and games show on average? |
| ``rationality``, ``rank_exponential`` | how strongly are better options, or ranks, preferred? |
| ``chain_errors`` | how well do chains of draws know what is estimated from them? |

Bits mean nothing without their baseline. Chance itself scores 1.4427 expected bits.
"""

from inference.arrays.order.achieved import (
    Achieved,
    achieved_bits,
    achieved_chain,
)
from inference.arrays.order.best_of_n import best_of_n
from inference.arrays.order.best_of_n_found import BestOfN
from inference.arrays.order.best_of_n_grid import (
    best_of_n_discrete,
    best_of_n_posterior,
)
from inference.arrays.order.best_of_n_laws import (
    alternating_cdf,
    alternating_fixed_point,
    best_of_n_bits,
    best_of_n_discrete_divergence,
    best_of_n_divergence,
    best_of_n_mean_tail,
    opposed_bits,
    opposed_bits_lost,
)
from inference.arrays.order.best_of_n_levels import (
    best_of_n_level,
    best_of_n_marginal,
    choice_probabilities,
)
from inference.arrays.order.chain_errors import BitsKnown
from inference.arrays.order.circumstances import (
    OpposedLoss,
    StartingStates,
    opposed_loss,
    starting_states,
)
from inference.arrays.order.coarse import CoarseBits, coarse_bits
from inference.arrays.order.counting import (
    CountedBits,
    counted_bits,
    indicator_effective,
    least_bits,
)
from inference.arrays.order.exceedance import (
    bits_of,
    exceedance_bits,
    log_complement,
    surprisal_bits,
)
from inference.arrays.order.halving_runs import SplitTail
from inference.arrays.order.joint import joint_bits
from inference.arrays.order.levels import ChainOfLevels, chain_of_levels
from inference.arrays.order.lotteries import (
    lottery_bits,
    lottery_log_bits_from_gaps,
    lottery_log_tail,
    lottery_log_tail_from_gaps,
)
from inference.arrays.order.mixtures import MIXTURES, mixed_bits, most_expected_bits
from inference.arrays.order.nearest_laws import (
    Tilt,
    buffered_exceedance,
    exponential_tilt,
)
from inference.arrays.order.pareto_tail import ParetoBits, pareto_bits
from inference.arrays.order.rank_exponential import (
    RankExponentialFit,
    rank_exponential_fit,
    rank_exponential_from_best_of_n,
)
from inference.arrays.order.rationality import BoltzmannFit, boltzmann_fit
from inference.arrays.order.reweighted import ReweightedBits, reweighted_bits
from inference.arrays.order.search_quality import Potential, SearchRate, potential, search_rate
from inference.arrays.order.splitting import split_tail

__all__ = [
    "MIXTURES",
    "Achieved",
    "BestOfN",
    "BitsKnown",
    "BoltzmannFit",
    "ChainOfLevels",
    "CoarseBits",
    "CountedBits",
    "OpposedLoss",
    "ParetoBits",
    "Potential",
    "RankExponentialFit",
    "ReweightedBits",
    "SearchRate",
    "SplitTail",
    "StartingStates",
    "Tilt",
    "achieved_bits",
    "achieved_chain",
    "alternating_cdf",
    "alternating_fixed_point",
    "best_of_n",
    "best_of_n_bits",
    "best_of_n_discrete",
    "best_of_n_discrete_divergence",
    "best_of_n_divergence",
    "best_of_n_level",
    "best_of_n_marginal",
    "best_of_n_mean_tail",
    "best_of_n_posterior",
    "bits_of",
    "boltzmann_fit",
    "buffered_exceedance",
    "chain_of_levels",
    "choice_probabilities",
    "coarse_bits",
    "counted_bits",
    "exceedance_bits",
    "exponential_tilt",
    "indicator_effective",
    "joint_bits",
    "least_bits",
    "log_complement",
    "lottery_bits",
    "lottery_log_bits_from_gaps",
    "lottery_log_tail",
    "lottery_log_tail_from_gaps",
    "mixed_bits",
    "most_expected_bits",
    "opposed_bits",
    "opposed_bits_lost",
    "opposed_loss",
    "pareto_bits",
    "potential",
    "rank_exponential_fit",
    "rank_exponential_from_best_of_n",
    "reweighted_bits",
    "search_rate",
    "split_tail",
    "starting_states",
    "surprisal_bits",
]
