"""What the public is told of our service: tasks and their states, 90 days of them, incidents with what to do now.

States come from probes, which run outside the platform's processes; what no probe has seen is unknown, never working.
Verbs: `intake.record`, `document.build`; the copy that outlives us goes through `sink.StatusSink`.
"""
