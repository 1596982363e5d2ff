// Package statemachine holds the definition of the erasure state machine: the only copy, for AWS and for one machine.
package statemachine

import _ "embed"

// Erasure is the definition in Amazon States Language (JSONPath). Its ${...FunctionArn} placeholders are substituted
// by SAM on AWS, and looked up as step names by the local runner.
//
//go:embed erasure.asl.json
var Erasure []byte
