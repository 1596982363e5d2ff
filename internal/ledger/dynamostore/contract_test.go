package dynamostore

import (
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
	"github.com/lethe-dsr/lethe/internal/ledger/ledgertest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	server := dynamotest.Start(t)
	server.Table(t, "ledger")
	t.Run("of ledger.Store", func(t *testing.T) {
		ledgertest.Contract(t, func(*testing.T) ledger.Store { return New(server.Client(), "ledger") })
	})
	// Each of them is a right in template.yaml; nothing scans.
	used := []string{"BatchGetItem", "CreateTable", "DeleteItem", "DescribeTable", "PutItem", "Query", "TransactWriteItems"}
	for _, c := range server.Calls() {
		if !slices.Contains(used, c.Op) {
			t.Errorf("%s was called", c.Op)
		}
	}
}
