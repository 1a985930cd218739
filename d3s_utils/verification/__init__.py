"""Who says that an image shows its labels: people, or simulated annotators, vote on each image, rules turn votes into
verdicts, and tables say how many images each rule accepts, how far annotators agree and what their work costs.
"""

from d3s_utils.verification.acceptance import (
    acceptance_by_votes,
    acceptance_table,
    headline,
    paper_claims,
    paper_rule,
    pick_examples,
    verdicts,
)
from d3s_utils.verification.agreement import agreement_table
from d3s_utils.verification.annotators import gold_quality, worker_quality
from d3s_utils.verification.asking.album import show_task
from d3s_utils.verification.asking.plan import candidates, choose
from d3s_utils.verification.collect import collect_votes, describe, describe_gold, save_votes
from d3s_utils.verification.effort import by_workers, cost, early_stopping
from d3s_utils.verification.rules import RULES, accepted, verify
from d3s_utils.verification.verdict_errors import audit, label_errors, rule_errors
from d3s_utils.verification.votes import sources, voters

__all__ = [
    "RULES",
    "acceptance_table",
    "acceptance_by_votes",
    "accepted",
    "agreement_table",
    "audit",
    "by_workers",
    "candidates",
    "choose",
    "collect_votes",
    "cost",
    "describe",
    "describe_gold",
    "early_stopping",
    "gold_quality",
    "headline",
    "label_errors",
    "paper_claims",
    "paper_rule",
    "pick_examples",
    "rule_errors",
    "save_votes",
    "show_task",
    "sources",
    "verdicts",
    "verify",
    "voters",
    "worker_quality",
]
