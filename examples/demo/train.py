"""Makes expertmesh-demo anew: its conversations, its tokenizer, its weights, and the scores of what was
exported.

    python -m examples.demo.train --out FOLDER

The same seed gives the same conversations and the same tokenizer everywhere, and the same weights on a
machine of the same kind with as many threads. Not here: what is trained, and how (`recipe`).
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from examples.demo.card import write_card
from examples.demo.export import export
from examples.demo.recipe import DEMO_RECIPE, Recipe
from examples.demo.rendering import ExampleRenderer
from examples.demo.score import report
from examples.demo.scores import TrainingReport
from examples.demo.scoring import score_folder
from examples.demo.seal import is_demo, seal
from examples.demo.training import Progress, train
from examples.demo.vocabulary import write_vocabulary
from examples.own_folder import refuse_foreign
from protos.errors import ExpertMeshError

_STEPS_PER_LINE = 50
_HELD_OUT_PER_TASK = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--out", type=Path, required=True, help="an empty folder, or one that this has written"
    )
    parser.add_argument("--steps", type=int, default=DEMO_RECIPE.num_steps, help="fewer, for a quick look")
    arguments = parser.parse_args()
    make_model(replace(DEMO_RECIPE, num_steps=arguments.steps), arguments.out)


def make_model(recipe: Recipe, folder: Path, held_out_per_task: int = _HELD_OUT_PER_TASK) -> None:
    refuse_foreign(folder, is_demo, "--out")
    torch.manual_seed(recipe.seed)
    print(
        f"tokenizer: {recipe.config.vocab_size} tokens, of {recipe.vocabulary_conversations} conversations",
        flush=True,
    )
    write_vocabulary(folder, recipe.config.vocab_size, recipe.seed, recipe.vocabulary_conversations)
    renderer = ExampleRenderer.of_folder(folder, recipe.config.vocab_size)
    told: list[Progress] = []
    begun = time.process_time()
    network = train(recipe, renderer, lambda progress: tell(progress, told))
    num_parameters = sum(parameter.numel() for parameter in network.parameters())
    export(network, folder)
    last = told[-1]
    training = TrainingReport(
        seed=recipe.seed,
        num_steps=recipe.num_steps,
        num_tokens=last.num_tokens,
        elapsed_s=round(last.elapsed_s),
        cpu_s=round(time.process_time() - begun),
        num_threads=torch.get_num_threads(),
        num_parameters=num_parameters,
    )
    scores = score_folder(folder, held_out_per_task)
    write_card(folder, recipe, training, scores)
    seal(folder, recipe.seed)
    report(scores)


def tell(progress: Progress, told: list[Progress]) -> None:
    told.append(progress)
    if progress.step % _STEPS_PER_LINE and progress.step not in (1, progress.num_steps):
        return
    recent = [each.loss for each in told[-_STEPS_PER_LINE:]]
    print(
        f"step {progress.step:5} of {progress.num_steps}  loss {sum(recent) / len(recent):6.4f}  "
        f"fullest expert {progress.largest_load:4.1f}  {progress.num_tokens / 1e6:5.2f} M tokens, "
        f"{progress.tokens_per_s:5.0f}/s  {progress.left_s / 60:4.1f} min left",
        flush=True,
    )


if __name__ == "__main__":
    try:
        main()
    except ExpertMeshError as error:
        sys.exit(f"train: {error}")
