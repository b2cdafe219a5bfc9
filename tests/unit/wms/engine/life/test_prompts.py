"""The order of 1.6 for prompts: the tree beats its node, the node beats the template, where the template asks."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from wms.engine.life.variables import find_prompts

ANSWERS = st.dictionaries(st.sampled_from(["limit", "job_tags", "skip_tags"]), st.sampled_from("xyz"))


def test_1_6_every_combination_of_who_answers_one_prompt() -> None:
    for own, node, run, asks in product((None, "own"), (None, "node"), (None, "run"), (True, False)):
        found = find_prompts(
            *({} if answer is None else {"limit": answer} for answer in (own, node, run)), ["limit"] if asks else []
        )
        expected = (run or node or own) if asks else own
        assert found == ({} if expected is None else {"limit": expected}), (own, node, run, asks)


@given(ANSWERS, ANSWERS, ANSWERS, st.sets(st.sampled_from(["limit", "job_tags", "skip_tags"])))
def test_1_6_each_prompt_is_decided_by_itself(
    own: dict[str, str], node: dict[str, str], run: dict[str, str], asks: set[str]
) -> None:
    found = find_prompts(own, node, run, asks)
    for name in {*own, *node, *run}:
        alone = find_prompts(*({k: v for k, v in each.items() if k == name} for each in (own, node, run)), asks)
        assert found.get(name) == alone.get(name)
    assert found.keys() <= {*own, *node, *run}
