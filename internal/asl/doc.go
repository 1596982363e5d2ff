// Package asl runs the part of the Amazon States Language that Lethe's state machine uses, on one machine, with the
// behaviour of Step Functions for that part. Load refuses everything else, so that a definition that loads here means
// the same in both places. It is own code because no Go module for it can be had; it knows nothing of Lethe and can be
// replaced.
//
// What runs, and what each takes besides Type, Comment, Next and End:
//
//	machine   Comment, StartAt, States, TimeoutSeconds, Version "1.0", QueryLanguage "JSONPath"
//	Task      Resource "${XFunctionArn}", or "arn:${Partition}:states:::lambda:invoke.waitForTaskToken" with Parameters of
//	          FunctionName and Payload (outside Map and Parallel only); TimeoutSeconds, HeartbeatSeconds (with the
//	          token only; Runner.Beat is the heartbeat, and Options.Beats does without), InputPath, Parameters, ResultSelector, ResultPath, OutputPath, Retry, Catch
//	Choice    Choices, Default, InputPath, OutputPath; And, Or, Not, IsPresent, IsNull, BooleanEquals, StringEquals,
//	          NumericEquals, NumericLessThan, NumericLessThanEquals, NumericGreaterThan, NumericGreaterThanEquals
//	Parallel  Branches and a Task's paths, Retry and Catch; the first failed branch stops the others
//	Map       ItemsPath, ItemSelector (or Parameters), MaxConcurrency, ItemProcessor of mode INLINE (or Iterator) and a
//	          Task's paths, Retry and Catch; 0 as MaxConcurrency means 40, the limit of Step Functions
//	Wait      Seconds or SecondsPath, InputPath, OutputPath
//	Pass      Result, Parameters, InputPath, ResultPath, OutputPath
//	Succeed   InputPath, OutputPath
//	Fail      Error, Cause
//	Retry     ErrorEquals, IntervalSeconds, MaxAttempts, BackoffRate, MaxDelaySeconds, JitterStrategy FULL or NONE
//	Catch     ErrorEquals, ResultPath, Next
//	paths     $, $.a.b, $['a b'], $.a[0]; no wildcard, filter, slice, descent or function
//	context   $$.Execution.Id (here its name), .Name, .Input and .StartTime; $$.State.Name and .EnteredTime; $$.Task.Token;
//	          $$.Map.Item.Index and .Value (in a Map)
//
// Errors that it raises itself, by the rules of the Step Functions developer guide, "Handling errors in Step Functions
// workflows":
//
//	States.Timeout                 a Task or the whole machine took too long; the machine's own cannot be caught
//	States.HeartbeatTimeout        no answer and no beat came within HeartbeatSeconds; States.Timeout matches it too
//	States.ParameterPathFailure    a path of Parameters, ItemSelector or ResultSelector finds nothing
//	States.ResultPathMatchFailure  the ResultPath does not fit into the input
//	States.NoChoiceMatched         no rule of a Choice holds and it has no Default
//	States.DataLimitExceeded       more than 262,144 bytes of input or output; only its own name catches it
//	States.Runtime                 any other path that finds nothing or the wrong type; nothing catches it
//
// States.ALL matches all but the last two, States.TaskFailed those but States.Timeout.
//
// An execution is kept as one record in a Store, saved before its first state and before every further top-level one.
// Whatever dies in between, Resume runs the current top-level state again from its start: tasks have to be idempotent,
// as they have to be on AWS. A running execution goes on with the definition that the Runner has by then.
package asl
