"""From a screenplay to a shot list and a timeline: reading, drafting, matching, exporting.

Plain data and text only: nothing here draws a picture, opens a database or loads a network library.
"""
