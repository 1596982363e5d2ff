package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// scope is where a state runs.
type scope struct {
	top     bool // a state of the machine itself, which the record follows
	entered time.Time
	item    *item // of the innermost Map
	token   string
}

// item is one iteration of a Map.
type item struct {
	index int
	value any
}

// view gives what the paths of a state see.
func (e *execution) view(s *state, sc scope, input any) view {
	const format = "2006-01-02T15:04:05.000Z"
	object := map[string]any{
		"Execution": map[string]any{"Id": e.name, "Name": e.name, "Input": e.input, "StartTime": e.rec.Started.Format(format)},
		"State":     map[string]any{"Name": s.name, "EnteredTime": sc.entered.Format(format)},
		"Task":      map[string]any{"Token": sc.token},
	}
	if sc.item != nil {
		object["Map"] = map[string]any{"Item": map[string]any{"Index": json.Number(strconv.Itoa(sc.item.index)), "Value": sc.item.value}}
	}
	return view{input: input, context: object}
}

// flow runs a branch or an item from its start to its end, with no record of its own.
func (e *execution) flow(ctx context.Context, f flow, input any, it *item) (any, error) {
	for at := f.startAt; ; {
		output, next, err := e.step(ctx, f.states[at], input, scope{entered: e.now(), item: it})
		if err != nil || next == "" {
			return output, err
		}
		at, input = next, output
	}
}

// step runs one state with its Retry and Catch, and answers its output and the next state, "" at an end.
func (e *execution) step(ctx context.Context, s *state, input any, sc scope) (output any, next string, err error) {
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	used := make([]int, len(s.retry))
	if sc.top && len(e.rec.Retries) == len(used) {
		used = slices.Clone(e.rec.Retries)
	}
	e.observe(Entered, s, sc, Event{})
	for {
		output, next, err = e.attempt(ctx, s, input, sc, used)
		if err == nil {
			e.observe(Left, s, sc, Event{Next: next})
			return output, next, nil
		}
		var f *failure
		if !errors.As(err, &f) || ctx.Err() != nil {
			if err == errWaiting {
				e.observe(Waits, s, sc, Event{})
			} else if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, "", err
		}
		n := slices.IndexFunc(s.retry, func(r retrier) bool { return f.matches(r.errorEquals) })
		if n < 0 || used[n] >= s.retry[n].maxAttempts {
			return e.handle(s, input, sc, f)
		}
		delay := s.retry[n].delay(used[n], e.opts.Jitter())
		used[n]++
		e.observe(Retried, s, sc, Event{Error: f.name, Delay: delay})
		if err := e.opts.Sleep(ctx, delay); err != nil {
			return nil, "", err
		}
	}
}

// handle looks for a Catch for what Retry did not settle.
func (e *execution) handle(s *state, input any, sc scope, f *failure) (any, string, error) {
	n := slices.IndexFunc(s.catch, func(c catcher) bool { return f.matches(c.errorEquals) })
	if n < 0 {
		e.observe(Broken, s, sc, Event{Error: f.name})
		return nil, "", f
	}
	c := s.catch[n]
	output, err := merge(c.resultPath, input, f.output())
	if err == nil {
		err = within(output, "the caught output of state "+s.name)
	}
	if err != nil {
		e.observe(Broken, s, sc, Event{Error: f.name})
		return nil, "", err
	}
	e.observe(Caught, s, sc, Event{Error: f.name, Next: c.next})
	return output, c.next, nil
}

// merge puts a result into the input by a ResultPath.
func merge(resultPath *path, input, result any) (any, error) {
	if resultPath == nil {
		return input, nil
	}
	output, ok := resultPath.insert(input, result)
	if !ok {
		return nil, &failure{ResultPathMatchFailure, fmt.Sprintf("ResultPath %s does not fit into the input", resultPath.text)}
	}
	return output, nil
}

// filter applies an InputPath or OutputPath.
func (v view) filter(p *path, field string) (any, error) {
	if p == nil {
		return map[string]any{}, nil
	}
	return v.must(*p, field)
}

// attempt runs a state once.
func (e *execution) attempt(ctx context.Context, s *state, raw any, sc scope, used []int) (output any, next string, err error) {
	v := e.view(s, sc, raw)
	input, err := v.filter(s.inputPath, "InputPath")
	if err != nil {
		return nil, "", err
	}
	next = s.next
	output = input
	switch s.kind {
	case fail:
		return nil, "", &failure{s.errorName, s.cause}
	case choice:
		next, err = s.choose(e.view(s, sc, input))
	case wait:
		err = e.wait(ctx, s, e.view(s, sc, input), sc)
	case succeed:
	default:
		output, err = e.work(ctx, s, raw, input, sc, used)
	}
	if err != nil {
		return nil, "", err
	}
	output, err = e.view(s, sc, output).filter(s.outputPath, "OutputPath")
	if err == nil {
		err = within(output, "the output of state "+s.name)
	}
	return output, next, err
}

func (s *state) choose(v view) (string, error) {
	for _, r := range s.rules {
		if yes, err := r.holds(v); err != nil || yes {
			return r.next, err
		}
	}
	if s.defaultNext == "" {
		return "", &failure{NoChoiceMatched, "no rule of state " + s.name + " holds, and it has no Default"}
	}
	return s.defaultNext, nil
}

// wait sleeps from the time when the state was entered, so that a resumed execution waits only for the rest.
func (e *execution) wait(ctx context.Context, s *state, v view, sc scope) error {
	d := s.seconds
	if s.secondsPath != nil {
		value, err := v.must(*s.secondsPath, "SecondsPath")
		if err != nil {
			return err
		}
		text, _ := value.(json.Number)
		n, err := strconv.Atoi(text.String())
		if err != nil || n < 0 || n > maxSeconds {
			return runtimeFailure("SecondsPath %s does not lead to a whole number from 0 to %d", s.secondsPath.text, maxSeconds)
		}
		d = seconds(n)
	}
	if rest := sc.entered.Add(d).Sub(e.now()); rest > 0 {
		return e.opts.Sleep(ctx, rest)
	}
	return nil
}

// work runs the states that make a result of their input and merge it back: Pass, Task, Parallel and Map.
func (e *execution) work(ctx context.Context, s *state, raw, input any, sc scope, used []int) (any, error) {
	var result any
	var err error
	if s.withToken {
		result, err = e.callForToken(ctx, s, input, sc, used) // its Parameters hold the token
	} else {
		if s.parameters != nil {
			if input, err = s.parameters.fill(e.view(s, sc, input)); err != nil {
				return nil, err
			}
		}
		if err := within(input, "the input of state "+s.name); err != nil {
			return nil, err
		}
		switch s.kind {
		case task:
			result, err = e.call(ctx, s, input, s.timeout, Timeout)
		case parallel:
			result, err = e.parallel(ctx, s, input, sc)
		case mapping:
			result, err = e.mapping(ctx, s, input, sc)
		default:
			if result = input; s.hasResult {
				result = s.result
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if s.selector != nil {
		if result, err = s.selector.fill(e.view(s, sc, result)); err != nil {
			return nil, err
		}
	}
	return merge(s.resultPath, raw, result)
}

func (e *execution) parallel(ctx context.Context, s *state, input any, sc scope) (any, error) {
	results := make([]any, len(s.branches))
	group, inGroup := errgroup.WithContext(ctx)
	for n, branch := range s.branches {
		group.Go(func() (err error) {
			results[n], err = e.flow(inGroup, branch, input, sc.item)
			return err
		})
	}
	return results, group.Wait() // the first error; the others are of branches that it stopped
}

func (e *execution) mapping(ctx context.Context, s *state, input any, sc scope) (any, error) {
	v := e.view(s, sc, input)
	value, err := v.must(s.itemsPath, "ItemsPath")
	if err != nil {
		return nil, err
	}
	items, ok := value.([]any)
	if !ok {
		return nil, runtimeFailure("ItemsPath %s does not lead to an array", s.itemsPath.text)
	}
	results := make([]any, len(items))
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(s.maxConcurrency)
	for n, value := range items {
		group.Go(func() (err error) {
			it := &item{n, value}
			if s.itemSelector != nil {
				if value, err = s.itemSelector.fill(e.view(s, scope{entered: sc.entered, item: it}, input)); err != nil {
					return err
				}
			}
			if err := within(value, fmt.Sprintf("item %d of state %s", n, s.name)); err != nil {
				return err
			}
			results[n], err = e.flow(inGroup, s.branches[0], value, it)
			return err
		})
	}
	return results, group.Wait()
}
