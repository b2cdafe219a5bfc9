"""A lazy model costs an import nothing, and threads may use it for the first time together."""

import threading
from concurrent.futures import ThreadPoolExecutor

from schemas.lazy_model import LazyModel


def test_a_lazy_model_is_built_at_its_first_use_and_its_subclasses_too() -> None:
    class Part(LazyModel):
        size: int

    class Whole(Part):
        parts: tuple[Part, ...] = ()

    assert (Part.__pydantic_complete__, Whole.__pydantic_complete__) == (False, False)
    assert Whole.model_validate_json('{"size": 3, "parts": [{"size": 1}]}').parts == (Part(size=1),)
    assert (Part.__pydantic_complete__, Whole.__pydantic_complete__) == (True, True)


def test_threads_that_use_a_lazy_model_for_the_first_time_at_once_all_get_it() -> None:
    n_threads = 16
    for _ in range(50):

        class Base(LazyModel):
            size: int

        class Model(Base):
            name: str = "one"
            size: int = 2

        start = threading.Barrier(n_threads)

        def use(start: threading.Barrier = start, model: type[Model] = Model) -> str:
            start.wait()
            return model(name="two").model_dump_json()

        with ThreadPoolExecutor(n_threads) as pool:
            made = [pool.submit(use) for _ in range(n_threads)]
        assert {one.result() for one in made} == {'{"size":2,"name":"two"}'}
