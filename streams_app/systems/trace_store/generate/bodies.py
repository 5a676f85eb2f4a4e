"""What events of code generation say beside their ids and times. Pure: all chance comes from the caller."""

from __future__ import annotations

from math import exp
from random import Random
from typing import Any, Final

from streams_app.systems.trace_store.schemas import Action

NODE_TYPES: Final = ("effect", "compute", "reducer", "orchestrator")
_WORDS: Final = (
    "the node must read every record of its input and write one row for each session as soon as a service answers "
    "retry when the broker is away keep the order of keys validate types before any effect return a typed result "
    "async def handle self event payload context region timeout pool query index partition schema contract mixin "
    "caching health metrics logging circuit breaker backoff tracing pagination idempotent consumer producer"
)
_RANDOM: Final = Random(2)  # noqa: S311 (the same text every time)
# Cut at a random place and length, so that hardly two texts are the same.
_TEXT: Final = " ".join(_RANDOM.choices(_WORDS.split(), k=20_000))
_MIXINS: Final = ("caching", "health_check", "metrics", "retry", "circuit_breaker", "pagination", "tracing")
_LONGEST: Final = 2200
_ERRORS: Final = (
    "the model did not answer in time",
    "the answer is no valid contract",
    "no capacity left for this tenant",
    "context too long for the model",
)


def text(rng: Random, median: float) -> str:
    """Words, about `median` characters; a few times as many now and then."""
    length = int(min(_LONGEST, max(12.0, median * exp(rng.gauss(0.0, 0.8)))))
    start = int(rng.random() * (len(_TEXT) - length))
    return _TEXT[start : start + length]


def request_body(action: Action, rng: Random) -> dict[str, Any]:
    """What a request of that kind asks."""
    match action:
        case "analyze":
            project = {"project": f"project-{int(rng.random() * 200)}", "language": "python"}
            asked = rng.choice(("full", "full", "partial", "quick"))
            return {"prd_content": text(rng, 320), "analysis_type": asked, "workspace_context": project}
        case "validate":
            return {"code_content": text(rng, 300), "node_type": rng.choice(NODE_TYPES), "validation_type": "full"}
        case "pattern":
            return {"node_description": text(rng, 120), "node_type": rng.choice(NODE_TYPES), "limit": 5}
        case "mixin":
            wanted = [text(rng, 40) for _ in range(1 + int(rng.random() * 4))]
            return {"requirements": wanted, "node_type": rng.choice(NODE_TYPES)}


def response_body(action: Action, rng: Random) -> dict[str, Any]:
    """What answers a request of that kind."""
    score = round(0.5 + rng.random() / 2, 3)
    match action:
        case "analyze":
            found = {"summary": text(rng, 200), "features": text(rng, 40).split(), "complexity": int(score * 10)}
            return {"analysis_result": found, "confidence": score}
        case "validate":
            wrong = [{"line": int(rng.random() * 400), "message": text(rng, 50)} for _ in range(int(rng.random() * 4))]
            return {"validation_result": {"warnings": wrong}, "is_valid": score > 0.6, "quality_score": score}
        case "pattern":
            found_patterns = [
                {"name": f"pattern_{int(rng.random() * 500)}", "description": text(rng, 60), "score": score}
                for _ in range(1 + int(rng.random() * 4))
            ]
            return {"pattern_result": found_patterns, "total_matches": len(found_patterns)}
        case "mixin":
            advised = [
                {"mixin": rng.choice(_MIXINS), "reason": text(rng, 60), "score": score}
                for _ in range(1 + int(rng.random() * 3))
            ]
            return {"mixin_recommendations": advised, "total_recommendations": len(advised)}


def failed_body(action: Action, rng: Random) -> dict[str, Any]:
    """What answers a request of that kind when it went wrong."""
    said: dict[str, Any] = {"error": rng.choice(_ERRORS)}
    match action:
        case "analyze":
            return said | {"analysis_result": {}}
        case "validate":
            return said | {"validation_result": {}, "is_valid": False}
        case "pattern":
            return said | {"pattern_result": [], "total_matches": 0}
        case "mixin":
            return said | {"mixin_recommendations": [], "total_recommendations": 0}


def dead_letter_body(request: dict[str, Any], rng: Random) -> dict[str, Any]:
    """What is left of a request that its service gave up."""
    return {"error": rng.choice(_ERRORS), "request": request}


def status_body(progress: float, rng: Random) -> dict[str, Any]:
    """How far a session has come, 0 to 1."""
    node = rng.choice(NODE_TYPES)
    return {"node_type": node, "progress_percentage": round(100 * progress, 1), "message": text(rng, 80)}
