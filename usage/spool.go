package usage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/usage/event"
)

const (
	segmentSuffix = ".jsonl"
	// draftSuffix marks a file that is not locked yet, which nobody may take for a dead process's.
	draftSuffix = ".draft"
)

// spool is the folder of segments. One segment is open for writing; the batcher
// takes it away when it is ready to store it.
type spool struct {
	dir    string
	limits Limits

	dropped atomic.Uint64
	full    chan struct{} // signalled when a batch is there

	mu      sync.Mutex
	current *segment
	bytes   int64         // of all segments that this process holds
	spare   []event.Event // the memory of a segment that is stored, for the next one
}

// lines lend the memory for one line each, which is made before anybody is kept waiting.
var lines = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

// segment is one spool file. While whole is true, events holds all of it, and the
// file is needed only after a crash.
type segment struct {
	file   *os.File // nil where the folder could not be written to
	path   string
	size   int64
	events []event.Event
	count  int
	whole  bool
	stored int // how many of its events are in the database
	// unwritten counts those of events that are not in the file, because the disk was full.
	unwritten uint64
}

func openSpool(dir string, limits Limits) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make spool folder: %w", err)
	}
	return &spool{dir: dir, limits: limits, full: make(chan struct{}, 1)}, nil
}

// append writes an event down. The error says that a crash would lose it; it is
// stored all the same, unless there is no room in memory either.
func (s *spool) append(e event.Event) error {
	kept, ok := lines.Get().(*[]byte)
	if !ok {
		panic("usage: foreign value in a buffer pool")
	}
	defer lines.Put(kept)
	line := appendLine((*kept)[:0], &e)
	*kept = line
	var err error
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		s.current, err = newSegment(s.dir)
		s.current.events, s.spare = s.spare, nil
	}
	seg := s.current
	written := false
	if seg.file != nil {
		err = s.write(seg, line)
		written = err == nil
	}
	s.dropped.Add(seg.keep(e, s.limits.Queue, written))
	if seg.count >= s.limits.Batch {
		select {
		case s.full <- struct{}{}:
		default: // the batcher knows already
		}
	}
	return err
}

var errSpoolFull = errors.New("the spool is full: the database has been away for too long")

// write appends one line with one system call: a kill leaves the line or nothing.
func (s *spool) write(seg *segment, line []byte) error {
	if s.bytes+int64(len(line)) > s.limits.Spool {
		return errSpoolFull
	}
	if _, err := seg.file.Write(line); err != nil {
		// A full disk may take half a line; the next one must not be glued to it.
		return errors.Join(fmt.Errorf("write spool: %w", err), seg.file.Truncate(seg.size))
	}
	seg.size += int64(len(line))
	s.bytes += int64(len(line))
	return nil
}

// keep holds the event in memory, as long as there is room. When there is none,
// memory is given up for the whole segment, because the file has it. The result
// is how many events are lost by that: those that never got into the file.
func (seg *segment) keep(e event.Event, room int, written bool) uint64 {
	seg.count++
	lost := uint64(0)
	if !written {
		lost = 1
	}
	switch {
	case seg.whole && len(seg.events) < room:
		seg.events = append(seg.events, e)
		seg.unwritten += lost
		return 0
	case seg.whole && seg.file != nil:
		lost += seg.unwritten
		seg.whole, seg.events, seg.unwritten = false, nil, 0
	}
	return lost
}

// rotate takes the open segment away, or gives nil where there is nothing to store.
func (s *spool) rotate() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	seg := s.current
	s.current = nil
	return seg
}

// remove deletes a segment that is stored.
func (s *spool) remove(seg *segment) error {
	clear(seg.events) // nobody looks into a segment that is stored
	s.mu.Lock()
	s.bytes -= seg.size
	s.spare = seg.events[:0]
	s.mu.Unlock()
	if seg.file == nil {
		return nil
	}
	return errors.Join(os.Remove(seg.path), seg.file.Close())
}

// release lets go of a segment and leaves its file to the next process.
func (s *spool) release(seg *segment) {
	if seg != nil && seg.file != nil {
		_ = seg.file.Close() // every line is written already
	}
}

func newSegment(dir string) (*segment, error) {
	seg := &segment{whole: true}
	path := filepath.Join(dir, ids.NewAt("usage", time.Now())+segmentSuffix)
	f, err := os.OpenFile(path+draftSuffix, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600) //nolint:gosec // the operator names the folder
	if err != nil {
		return seg, fmt.Errorf("make spool file: %w", err)
	}
	// The file gets its name when the lock is held: a starting process takes every unlocked one for an orphan.
	if err := errors.Join(lock(f), os.Rename(f.Name(), path)); err != nil {
		return seg, errors.Join(fmt.Errorf("make spool file: %w", err), f.Close(), os.Remove(f.Name()))
	}
	seg.file, seg.path = f, path
	return seg, nil
}

// orphans gives the segments that no living process holds.
func (s *spool) orphans() ([]*segment, error) {
	paths, err := filepath.Glob(filepath.Join(s.dir, "*"+segmentSuffix))
	if err != nil {
		return nil, fmt.Errorf("list spool folder: %w", err)
	}
	var found []*segment
	for _, path := range paths {
		if seg := adopt(path); seg != nil {
			found = append(found, seg)
			s.mu.Lock()
			s.bytes += seg.size
			s.mu.Unlock()
		}
	}
	return found, nil
}

func adopt(path string) *segment {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600) //nolint:gosec // the operator names the folder
	if err != nil {
		return nil // another process stored and removed it a moment ago
	}
	if lock(f) == nil {
		opened, err := f.Stat()
		named, errNamed := os.Stat(path)
		if err == nil && errNamed == nil && os.SameFile(opened, named) {
			return &segment{file: f, path: path, size: opened.Size()}
		}
	}
	_ = f.Close() // not ours
	return nil
}

// each gives the events that are not stored yet, in batches. damaged counts lines
// that are no event.
func (seg *segment) each(batch int, store func([]event.Event) error) (damaged int, err error) {
	if seg.whole {
		for seg.stored < len(seg.events) {
			part := seg.events[seg.stored:min(seg.stored+batch, len(seg.events))]
			if err := store(part); err != nil {
				return 0, err
			}
			seg.stored += len(part)
		}
		return 0, nil
	}
	if _, err := seg.file.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("read spool: %w", err)
	}
	lines := bufio.NewReader(seg.file)
	var e event.Event
	part, read := make([]event.Event, 0, batch), 0
	flush := func() error {
		if len(part) == 0 {
			return nil
		}
		if err := store(part); err != nil {
			return err
		}
		seg.stored, part = read, part[:0]
		return nil
	}
	for {
		line, err := lines.ReadBytes('\n')
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return damaged, fmt.Errorf("read spool: %w", err)
		}
		if len(line) > 0 {
			read++
			switch {
			case read <= seg.stored:
			case !parseLine(line, &e):
				damaged++
			default:
				part = append(part, e)
			}
		}
		if end {
			return damaged, flush()
		}
		if len(part) == batch {
			if err := flush(); err != nil {
				return damaged, err
			}
		}
	}
}
