"""A lesson: one HTML page on which a class sees what a run looked at, slice by slice, and what that changed.

`lesson_of` runs the model under several settings and notes everything (`record`), measures where they part (`compare`)
and says it in plain values (`content`); `write_page` puts these, the words, style and script into one file.
"""
