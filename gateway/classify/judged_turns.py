"""How a content and the policy that it is judged by are told to the model.

Not here: the judgement (`classifier`). Whoever trains a model to classify calls this too.
"""

from collections.abc import Sequence

from gateway.chat.turns import InstructionTurn, UserTurn


def judged_turns(policy_text: str, labels: Sequence[str], content: str) -> tuple[InstructionTurn, UserTurn]:
    listed = "\n".join(f"- {label}" for label in labels)
    instructions = (
        f"{policy_text}\n\n# Labels\n\nAnswer with exactly one of these labels, and nothing else:\n{listed}"
    )
    return InstructionTurn(instructions), UserTurn(content)
