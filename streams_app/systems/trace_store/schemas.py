"""The nine events of code generation, typed, and which topic carries which (seed 002).

The seed names nine of its thirteen topics. The other four are taken to be the dead letters of the four kinds of
request: what a service gave up, under the request's ids. They are stored like the rest, as errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from streams_app.systems.trace_store.model import EventStatus, EventType

#: The version of the schemas that is written here. Of the same major version every minor one is read.
SCHEMA_VERSION: Final = "1.0"


def _only_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("expected ISO 8601 text with a zone")
    return value


Milliseconds = Annotated[int, Field(ge=0, le=2_147_483_647, strict=True)]
Version = Annotated[str, Field(pattern=r"^1(\.\d+){0,2}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class CodegenEvent(BaseModel):
    """What all events have. Fields that are not known are kept: a newer minor version may have more of them.

    `event_id` is the event's identity; without it, its content is. `parent_correlation_id` names the exchange that this
    one followed from.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    session_id: UUID
    timestamp: Annotated[AwareDatetime, BeforeValidator(_only_text)]
    schema_version: Version
    correlation_id: UUID | None = None
    parent_correlation_id: UUID | None = None
    event_id: UUID | None = None
    status: EventStatus | None = None
    processing_time_ms: Milliseconds | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class Exchanged(CodegenEvent):
    """One side of a request and what answers it."""

    correlation_id: UUID


class CodegenAnalysisRequest(Exchanged):
    """Asks for an analysis of a product document."""

    prd_content: str
    analysis_type: str = "full"
    workspace_context: dict[str, Any] = Field(default_factory=dict)


class CodegenValidationRequest(Exchanged):
    """Asks whether code is what it should be."""

    code_content: str
    node_type: str
    validation_type: str = "full"


class CodegenPatternRequest(Exchanged):
    """Asks for code that is like what is described."""

    node_description: str
    node_type: str
    limit: Annotated[int, Field(ge=1)] = 5


class CodegenMixinRequest(Exchanged):
    """Asks which mixins fit."""

    requirements: list[str]
    node_type: str


class CodegenAnalysisResponse(Exchanged):
    """Answers an analysis request."""

    analysis_result: dict[str, Any]
    confidence: Share | None = None


class CodegenValidationResponse(Exchanged):
    """Answers a validation request."""

    validation_result: dict[str, Any]
    is_valid: bool
    quality_score: Share | None = None


class CodegenPatternResponse(Exchanged):
    """Answers a pattern request."""

    pattern_result: list[dict[str, Any]]
    total_matches: Annotated[int, Field(ge=0)]


class CodegenMixinResponse(Exchanged):
    """Answers a mixin request."""

    mixin_recommendations: list[dict[str, Any]]
    total_recommendations: Annotated[int, Field(ge=0)]


class CodegenStatusEvent(CodegenEvent):
    """Tells how far a session has come."""

    status: EventStatus
    node_type: str | None = None
    progress_percentage: Annotated[float, Field(ge=0, le=100)] | None = None
    message: str | None = None


class CodegenFailure(Exchanged):
    """A request that its service gave up: it lies on the dead-letter topic of its kind."""

    error: str
    request: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a topic carries. `status` is that of an event that names none."""

    topic: str
    schema: type[CodegenEvent]
    event_type: EventType
    status: EventStatus

    @property
    def name(self) -> str:
        """What an event calls itself, if it does."""
        return self.schema.__name__


Action = Literal["analyze", "validate", "pattern", "mixin"]
_ACTIONS: Final[dict[Action, tuple[type[CodegenEvent], type[CodegenEvent]]]] = {
    "analyze": (CodegenAnalysisRequest, CodegenAnalysisResponse),
    "validate": (CodegenValidationRequest, CodegenValidationResponse),
    "pattern": (CodegenPatternRequest, CodegenPatternResponse),
    "mixin": (CodegenMixinRequest, CodegenMixinResponse),
}
ACTIONS: Final = tuple(_ACTIONS)
STATUS_TOPIC: Final = "omninode_codegen_status_session_v1"


def request_topic(action: Action) -> str:
    """Where requests of a kind are."""
    return f"omninode_codegen_request_{action}_v1"


def response_topic(action: Action) -> str:
    """Where the answers to them are."""
    return f"omninode_codegen_response_{action}_v1"


def dead_letter_topic(action: Action) -> str:
    """Where requests of a kind are that their service gave up."""
    return f"omninode_codegen_dlq_{action}_v1"


def _kinds() -> list[Kind]:
    kinds = [Kind(STATUS_TOPIC, CodegenStatusEvent, EventType.STATUS, EventStatus.PROCESSING)]
    for action, (request, response) in _ACTIONS.items():
        kinds += [
            Kind(request_topic(action), request, EventType.REQUEST, EventStatus.SENT),
            Kind(response_topic(action), response, EventType.RESPONSE, EventStatus.COMPLETED),
            Kind(dead_letter_topic(action), CodegenFailure, EventType.ERROR, EventStatus.FAILED),
        ]
    return kinds


#: By topic: all thirteen.
KINDS: Final = {kind.topic: kind for kind in _kinds()}
