"""Schedules of many loans at once, number for number those of `build_schedule` (docs/lending.md, section 4).

Rows of texts come in (`columns`), the plain ones of them (`plain`) are computed together as arrays
(`dates`, `arrays`), every other row one by one by `build_schedule`; `planner` sorts and puts both together.
"""
