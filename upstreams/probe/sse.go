package probe

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine is the longest line of an event stream.
const maxLine = 1 << 20

var errStreamEnded = errors.New("the stream ended")

// event is one server-sent event.
type event struct {
	name string
	data []byte
}

// events reads server-sent events.
type events struct{ lines *bufio.Scanner }

func newEvents(r io.Reader) *events {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	return &events{lines: lines}
}

// next returns the next event that has a name or data. Its data is valid until the following call.
func (e *events) next() (event, error) {
	var ev event
	for e.lines.Scan() {
		line := e.lines.Bytes()
		if len(line) == 0 {
			if ev.name != "" || len(ev.data) > 0 {
				return ev, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(bytes.TrimPrefix(field, []byte("\xef\xbb\xbf"))) {
		case "event":
			ev.name = string(value)
		case "data":
			if ev.data != nil {
				ev.data = append(ev.data, '\n')
			}
			ev.data = append(ev.data, value...)
		}
	}
	if err := e.lines.Err(); err != nil {
		return event{}, err
	}
	return event{}, errStreamEnded
}
