"""An engine core over the model on paper, with a clock that only the test moves."""

from dataclasses import replace

from model.config import ModelConfig
from tests.model.tiny_model import TINY
from tests.workers.paper_model import PaperModel, alone
from workers.cache.cached_pages import CacheLayout
from workers.cache.page_budget import context_limit
from workers.engine.admission import Admission
from workers.engine.core import EngineCore
from workers.engine.drafting import LookupDrafter
from workers.engine.events import Event
from workers.engine.request import GenerationRequest
from workers.engine.settings import DraftSettings, EngineSettings


class PaperEngine:
    """Everything is small, so that everything is tight."""

    def __init__(
        self,
        *,
        num_pages: int = 60,
        page_size: int = 4,
        window: int = 11,
        tokens_per_step: int = 16,
        max_running: int = 4,
        drafts: bool = False,
        checkpoint_pages: int = 5,
        max_positions: int = 4096,
        vocab_size: int = 50,
    ) -> None:
        self.settings = EngineSettings(
            max_running=max_running,
            tokens_per_step=tokens_per_step,
            page_size=page_size,
            checkpoint_interval=checkpoint_pages * page_size,
            head_start=8,
            drafts=DraftSettings(num_tokens=3, longest_match=3, shortest_match=1) if drafts else None,
        )
        layout = CacheLayout(page_size, window, self.settings.checkpoint_interval)
        self.model = PaperModel(page_size, window, vocab_size)
        limit = context_limit(max_positions, num_pages, layout, tokens_per_step)
        config: ModelConfig = replace(TINY, vocab_size=self.model.vocab_size, max_positions=max_positions)
        self.admission = Admission(config, None, layout, limit)
        self.now = 0.0
        self.core = EngineCore(
            self.model,
            self.admission,
            layout,
            num_pages,
            self.settings,
            clock=lambda: self.now,
            drafter=LookupDrafter(self.settings.drafts) if self.settings.drafts else None,
        )
        self.model.pool = self.core.pool

    def submit(self, request: GenerationRequest) -> None:
        self.core.add(self.admission.admit(request), self.now)

    def step(self) -> list[Event]:
        return self.core.step()

    def run(self, max_steps: int = 10_000) -> list[Event]:
        """Until nothing is left to do."""
        events: list[Event] = []
        for _ in range(max_steps):
            if not self.core.has_work:
                return events
            events += self.step()
        raise AssertionError(f"not done after {max_steps} steps")

    def alone(self, request: GenerationRequest, choice: int = 0) -> list[int]:
        """What this choice of the request would be without anybody else."""
        return alone(request, self.model, choice)

    def check_pages(self) -> None:
        """Each page is blank, kept, or used by exactly the sequences whose tables have it."""
        pool = self.core.pool
        users = dict.fromkeys(range(pool.num_pages), 0)
        for sequence in self.core.sequences:
            for page in [*sequence.pages.tables.full.pages, *sequence.pages.tables.sliding.pages]:
                users[page] += 1
        assert users == {page: pool.num_users(page) for page in users}
        num_used = sum(count > 0 for count in users.values())
        assert num_used + pool.num_free == pool.num_pages
        assert num_used + pool.num_kept + len(pool.blank_pages) == pool.num_pages
