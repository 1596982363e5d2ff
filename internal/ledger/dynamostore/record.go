package dynamostore

import (
	"errors"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// record is an item as it is stored.
type record struct {
	ledger.Item
	expires int64 // Unix seconds; 0 for never
}

func (r record) expired(now int64) bool { return r.expires != 0 && r.expires <= now }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func keyOf(k ledger.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": text(k.Partition), "sk": text(k.Sort)}
}

// decode reads an item. Attributes that are none of its own are left alone.
func decode(attributes map[string]types.AttributeValue) (record, error) {
	pk, ok1 := attributes["pk"].(*types.AttributeValueMemberS)
	sk, ok2 := attributes["sk"].(*types.AttributeValueMemberS)
	version, ok3 := integer(attributes["version"])
	expires, ok4 := integer(attributes["expires"])
	data, ok5 := []byte{}, true
	if v := attributes["data"]; v != nil {
		var b *types.AttributeValueMemberB
		if b, ok5 = v.(*types.AttributeValueMemberB); ok5 {
			data = b.Value
		}
	}
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || version < 1 || expires < 0 {
		return record{}, errors.New("an item of the ledger's table is damaged, or none of Lethe's; restore the table from a backup")
	}
	return record{ledger.Item{Key: ledger.Key{Partition: pk.Value, Sort: sk.Value}, Version: version, Data: data}, expires}, nil
}

// integer reads a whole number; 0 where there is none.
func integer(v types.AttributeValue) (int64, bool) {
	if v == nil {
		return 0, true
	}
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	return i, err == nil
}

// action is a change as DynamoDB takes it. An item whose time is over counts as none in every condition.
func (s *Store) action(c ledger.Change) (*types.Put, *types.Delete) {
	condition := aws.String("version = :version AND (attribute_not_exists(expires) OR expires > :now)")
	values := map[string]types.AttributeValue{":version": number(c.If), ":now": number(s.now().Unix())}
	if c.If == 0 {
		condition = aws.String("attribute_not_exists(pk) OR expires <= :now")
		delete(values, ":version")
	}
	if c.Data == nil {
		if c.If == 0 {
			condition, values = nil, nil
		}
		return nil, &types.Delete{TableName: &s.table, Key: keyOf(c.Key), ConditionExpression: condition, ExpressionAttributeValues: values}
	}
	item := keyOf(c.Key)
	item["version"] = number(c.If + 1)
	if len(c.Data) > 0 {
		item["data"] = &types.AttributeValueMemberB{Value: c.Data}
	}
	if expires := c.Expiry(); expires != 0 {
		item["expires"] = number(expires)
	}
	return &types.Put{TableName: &s.table, Item: item, ConditionExpression: condition, ExpressionAttributeValues: values}, nil
}
