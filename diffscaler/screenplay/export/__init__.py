"""A cut for the edit suite: OpenTimelineIO, EDL, FCP7 XML, FCPXML and subtitles, all from one plain list of events."""
