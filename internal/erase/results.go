package erase

import "encoding/json"

// Result is how one lane ended.
type Result struct {
	Target string `json:"target"`
	Area   string `json:"area"`
	Fault  string `json:"fault"` // "" when it went well
}

// Results are the lanes' ends, out of the nested arrays and objects that Parallel and Map states make of them.
type Results []Result

// UnmarshalJSON collects every object with an area, however deep.
func (r *Results) UnmarshalJSON(b []byte) error {
	var list []Results
	var fields map[string]json.RawMessage
	switch {
	case string(b) == "null" || string(b) == `""`:
		return nil
	case json.Unmarshal(b, &list) == nil:
		for _, l := range list {
			*r = append(*r, l...)
		}
		return nil
	}
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if fields["area"] != nil {
		var one Result
		err := json.Unmarshal(b, &one)
		*r = append(*r, one)
		return err
	}
	for _, raw := range fields {
		var inner Results
		if err := json.Unmarshal(raw, &inner); err != nil {
			return err
		}
		*r = append(*r, inner...)
	}
	return nil
}
