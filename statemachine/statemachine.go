// Package statemachine holds the definition of the erasure state machine: the only copy, for AWS and for one machine.
package statemachine

import _ "embed"

// Erasure is the definition in Amazon States Language (JSONPath). SAM substitutes its placeholders on AWS; the local runner
// looks those of the form ${...FunctionArn} up as step names.
//
//go:embed erasure.asl.json
var Erasure []byte
