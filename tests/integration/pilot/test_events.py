"""What becomes of events: done, tried again, given up, never lost."""

from schemas.dataevents import Header, output_id
from schemas.ids import EventId
from tests.integration.pilot.field import Field

CP = {"EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}"}


async def test_each_event_comes_back_as_an_output_with_an_id_derived_from_its_own(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    ids = await workflow.put(source, *(b"event %d" % n for n in range(20)))
    pilot = await workflow.pilot(CP, inputs=[source], outputs=[sink])
    outputs = await workflow.take(sink, 20)
    assert await pilot.ended() == 0, pilot.log
    assert sorted(message.body for message in outputs) == sorted(b"event %d" % n for n in range(20))
    assert {message.headers[Header.PARENT] for message in outputs} == set(ids)
    for message in outputs:
        parent = EventId(str(message.headers[Header.PARENT]))
        assert message.message_id == output_id(parent, workflow.task, 0)
        assert message.content_type == "text/plain"
    assert await workflow.all_of(source) == 0
    assert pilot.statuses() == ["Started", "AwaitingFirstMessage", "Tasking", "Done"]
    assert 'HTChirpEWMSPilotTasksSuccess: "20"' in pilot.said
