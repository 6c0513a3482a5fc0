"""The demo model's card: what it is, how it was made, what it was measured to do, and what it cannot.

Every figure comes from the recipe and from what was measured; the sentences are in `card.txt`. Not here: the
measuring (`scoring`).
"""

from pathlib import Path

from examples.demo.recipe import Recipe
from examples.demo.scores import SCORES_NAME, Scores, TrainingReport, write_scores

CARD_NAME = "README.md"

_SENTENCES = Path(__file__).with_suffix(".txt")
_TASK_TO_WORDS = {
    "sums": "two numbers added or subtracted, values up to 99; three numbers up to 20 added",
    "lists": "3 to 5 numbers up to 99, 3 or 4 words that it knows: sorted, reversed; the largest, smallest",
    "facts": "questions about ExpertMesh, in phrasings that were not trained",
    "tools": "a declared tool called with the right arguments; its result told",
    "classification": "a short text under a short policy, by the gateway's classifier",
    "structured": "sums, lists, and what a sentence says of a person, as JSON of a given schema",
    "follow-ups": "a sum goes on, a list is turned, a name is remembered",
    "talk": "greetings, thanks, what it is and what it can do",
    "unknown": "says that it does not know",
    "date": "the date, which stands in the system message",
}


def write_card(folder: Path, recipe: Recipe, training: TrainingReport, scores: Scores) -> None:
    write_scores(folder / SCORES_NAME, scores, training)
    (folder / CARD_NAME).write_text(card(recipe, training, scores), encoding="utf-8")


def card(recipe: Recipe, training: TrainingReport, scores: Scores) -> str:
    config = recipe.config
    return _SENTENCES.read_text(encoding="utf-8").format(
        parameters=f"{training.num_parameters / 1e6:.1f}",
        layers=config.num_layers,
        window=config.sliding_window,
        experts=config.num_experts,
        top_k=config.experts_per_token,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        query_heads=config.num_query_heads,
        kv_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        vocabulary=config.vocab_size,
        context=config.max_positions,
        malformed=sum(score.num_malformed for score in scores.tasks),
        scores=score_rows(scores),
        efforts=effort_sentence(scores),
        steps=training.num_steps,
        conversations=recipe.conversations_per_step,
        tokens=f"{training.num_tokens / 1e6:.1f}",
        seed=training.seed,
        threads=training.num_threads,
        minutes=f"{training.elapsed_s / 60:.0f}",
        cpu_minutes=f"{training.cpu_s / 60:.0f}",
    )


def score_rows(scores: Scores) -> str:
    """The table of scores, as the card and the documents have it."""
    rows = ["| task | what | right | of |", "|---|---|---|---|"]
    for score in scores.tasks:
        words = _TASK_TO_WORDS[score.task]
        rows.append(f"| {score.task} | {words} | {100 * score.share:.1f} % | {score.num_asked} |")
    return "\n".join(rows)


def effort_sentence(scores: Scores) -> str:
    lengths = ", ".join(f"{each.reasoning_tokens} at {each.effort}" for each in scores.efforts)
    return f"Reasoning for the same sums and lists takes so many tokens on average: {lengths}."
