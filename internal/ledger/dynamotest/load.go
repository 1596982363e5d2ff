package dynamotest

import (
	"encoding/json"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Load is what a call costs one partition key.
type Load struct {
	Partition string
	Write     bool
	Units     float64 // write or read units
	Asks      bool    // it is a write with a condition
	Creates   bool    // it is a Put
}

func (a action) load(units float64) Load {
	return Load{
		Partition: aws.ToString(a.attributes()["pk"].S), Write: true, Units: units,
		Asks: a.ConditionExpression != nil, Creates: a.Item != nil,
	}
}

// loads is that of a call to one partition, from its body.
func loads(op string, body []byte, units float64) []Load {
	switch op {
	case "PutItem", "DeleteItem":
		var a action
		if json.Unmarshal(body, &a) == nil {
			return []Load{a.load(units)}
		}
	case "Query":
		var in struct{ ExpressionAttributeValues map[string]attribute }
		if json.Unmarshal(body, &in) == nil {
			// DynamoDB takes at least one unit for a consistent query, dynalite none where nothing is there.
			return []Load{{Partition: aws.ToString(in.ExpressionAttributeValues[":pk"].S), Units: max(units, 1)}}
		}
	}
	return nil
}

// batchLoads is that of a consistent BatchGetItem: a unit for each 4 KB of an item, and one for an item that is missing.
func batchLoads(body []byte, a answer) []Load {
	var in struct {
		RequestItems map[string]struct{ Keys []map[string]attribute }
	}
	var out struct {
		Responses map[string][]map[string]attribute
	}
	if a.status != http.StatusOK || json.Unmarshal(body, &in) != nil || json.Unmarshal(a.body, &out) != nil {
		return nil
	}
	type key struct{ pk, sk string }
	of := func(item map[string]attribute) key {
		return key{aws.ToString(item["pk"].S), aws.ToString(item["sk"].S)}
	}
	sizes := map[key]int{}
	for _, items := range out.Responses {
		for _, item := range items {
			for name, v := range item {
				sizes[of(item)] += len(name) + v.size()
			}
		}
	}
	var all []Load
	for _, table := range in.RequestItems {
		for _, k := range table.Keys {
			all = append(all, Load{Partition: of(k).pk, Units: float64(max(1, (sizes[of(k)]+4095)/4096))})
		}
	}
	return all
}
