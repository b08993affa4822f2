// Package caffe is a client of a caffe_sdk server: Caffe's nets and solvers, which live there.
//
//	server, err := caffe.Connect("127.0.0.1:50051", caffe.Options{})
//	net, err := server.Net(ctx, prototxt, caffe.NetOptions{Weights: caffemodel})
//	outputs, err := net.Forward(ctx, caffe.Arrays{"data": {Shape: []int64{1, 1, 28, 28}, Data: pixels}}, caffe.Range{})
//
// Arrays are copies, float32, in row-major order (NCHW). Calls may be made from any goroutine. What the server raises is
// an *Error.
package caffe

//go:generate protoc -I ../../../proto --go_out=. --go_opt=module=caffe-sdk/client --go-grpc_out=. --go-grpc_opt=module=caffe-sdk/client caffe_sdk/v1/caffe_sdk.proto

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"caffe-sdk/client/v1"
)

// Array is numbers and their shape, the last axis the fastest.
type Array struct {
	Shape []int64   `json:"shape"`
	Data  []float32 `json:"data"`
}

// Arrays are arrays by the names of blobs.
type Arrays map[string]Array

// Error is what the server raised; code "bridge" when none answers.
type Error struct {
	Code       string // one word such as shape, prototxt, handle
	Where      string // a file, a layer, a blob; may be empty
	What       string // what is wrong, with the values
	Remedy     string // what would be right; may be empty
	Identifier string // MATLAB's
	Status     *status.Status
}

func (e *Error) Error() string { return e.Status.Message() }

// Options say how to reach a server. Without TLS there is no encryption.
type Options struct {
	TLS   *tls.Config
	Token string
}

// Client is a connection.
type Client struct {
	connection *grpc.ClientConn
	server     v1.ServerClient
	nets       v1.NetsClient
	solvers    v1.SolversClient
	token      string
	session    string // a name that nobody guesses, for the server to hold this client's objects under
	lease      sync.Mutex
	release    context.CancelFunc // ends the lease
}

// Connect gives a client of the server at host:port; it connects when first used.
func Connect(address string, options Options) (*Client, error) {
	limits := grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32))
	security := grpc.WithInsecure()
	if options.TLS != nil {
		security = grpc.WithTransportCredentials(credentials.NewTLS(options.TLS))
	}
	connection, err := grpc.Dial(address, limits, security)
	if err != nil {
		return nil, err
	}
	return &Client{
		connection: connection,
		server:     v1.NewServerClient(connection),
		nets:       v1.NewNetsClient(connection),
		solvers:    v1.NewSolversClient(connection),
		token:      options.Token,
		session:    randomName(),
	}, nil
}

// Close ends the connection; the server lets go what was made through it.
func (c *Client) Close() error {
	c.lease.Lock()
	defer c.lease.Unlock()
	if c.release != nil {
		c.release()
	}
	return c.connection.Close()
}

// hold has the server keep what is created for as long as this client is there: when the program dies it is let go.
func (c *Client) hold() error {
	c.lease.Lock()
	defer c.lease.Unlock()
	if c.release != nil {
		return nil
	}
	ctx, cancel := c.context(context.Background())
	lease, err := c.server.Attach(ctx, &v1.AttachRequest{})
	if err == nil {
		_, err = lease.Recv()
	}
	if err != nil {
		cancel()
		return failure(err, nil)
	}
	c.release = cancel
	return nil
}

func randomName() string {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		panic(err) // the system has no random numbers
	}
	return hex.EncodeToString(bytes)
}

// Information gives version, facts about what computes there, and how many objects are held.
func (c *Client) Information(ctx context.Context) (*v1.Information, error) {
	return call(c, ctx, c.server.GetInformation, &v1.GetInformationRequest{})
}

// NetOptions say which net to make of a prototxt.
type NetOptions struct {
	Train   bool   // the phase; else it is test
	Weights []byte // of a caffemodel
	Level   int32
	Stages  []string
}

// Net makes a net of a prototxt's text.
func (c *Client) Net(ctx context.Context, prototxt string, options NetOptions) (*Net, error) {
	if err := c.hold(); err != nil {
		return nil, err
	}
	request := &v1.CreateNetRequest{
		Model:  &v1.Model{Source: &v1.Model_Text{Text: prototxt}},
		Phase:  v1.Phase_PHASE_TEST,
		Level:  options.Level,
		Stages: options.Stages,
	}
	if options.Train {
		request.Phase = v1.Phase_PHASE_TRAIN
	}
	if options.Weights != nil {
		request.Weights = &v1.Weights{Source: &v1.Weights_Data{Data: options.Weights}}
	}
	description, err := call(c, ctx, c.nets.CreateNet, request)
	if err != nil {
		return nil, err
	}
	return &Net{client: c, Description: description}, nil
}

// Solver makes a solver of a prototxt's text.
func (c *Client) Solver(ctx context.Context, prototxt string) (*Solver, error) {
	if err := c.hold(); err != nil {
		return nil, err
	}
	request := &v1.CreateSolverRequest{Model: &v1.Model{Source: &v1.Model_Text{Text: prototxt}}}
	made, err := call(c, ctx, c.solvers.CreateSolver, request)
	if err != nil {
		return nil, err
	}
	description, err := call(c, ctx, c.nets.DescribeNet, &v1.DescribeNetRequest{Net: made.Net})
	if err != nil {
		return nil, err
	}
	return &Solver{client: c, handle: made.Solver, Net: &Net{client: c, Description: description, ofSolver: true}}, nil
}

// Blob names a blob of a net: by its name, or a layer's learnable blob by index (mostly 0 the weights, 1 the bias).
type Blob struct {
	Name  string
	Layer string
	Index int32
}

func (b Blob) reference() *v1.BlobReference {
	if b.Layer == "" {
		return &v1.BlobReference{Blob: &v1.BlobReference_Name{Name: b.Name}}
	}
	parameter := &v1.Parameter{Layer: b.Layer, Index: b.Index}
	return &v1.BlobReference{Blob: &v1.BlobReference_Parameter{Parameter: parameter}}
}

// Range tells the layers to run, first and last ("" for all), and blobs to give besides the outputs.
type Range struct {
	Start, End string
	Blobs      []string
}

// Net is a net on the server.
type Net struct {
	Description *v1.Net // as the net was made or last reshaped
	client      *Client
	ofSolver    bool
}

// Forward computes with these inputs, or with what the blobs hold if there are none; gives the outputs.
func (n *Net) Forward(ctx context.Context, inputs Arrays, r Range) (Arrays, error) {
	request := &v1.ForwardRequest{
		Net: n.Description.Net, Inputs: toTensors(inputs), Start: named(r.Start), End: named(r.End), Blobs: r.Blobs,
	}
	reply, err := call(n.client, ctx, n.client.nets.Forward, request)
	return toArrays(reply.GetOutputs()), err
}

// Predict gives the outputs for image files (JPEG, PNG, ...), given as bytes and prepared as the net's record says.
func (n *Net) Predict(ctx context.Context, images [][]byte) (Arrays, error) {
	request := &v1.PredictRequest{Net: n.Description.Net, Images: images}
	reply, err := call(n.client, ctx, n.client.nets.Predict, request)
	return toArrays(reply.GetOutputs()), err
}

// Backward sets the outputs' gradients, runs the layers backward, gives the inputs' gradients.
func (n *Net) Backward(ctx context.Context, diffs Arrays) (Arrays, error) {
	request := &v1.BackwardRequest{Net: n.Description.Net, Diffs: toTensors(diffs)}
	reply, err := call(n.client, ctx, n.client.nets.Backward, request)
	return toArrays(reply.GetDiffs()), err
}

// Get gives a blob's values (v1.Part_PART_DATA) or gradients (v1.Part_PART_DIFF).
func (n *Net) Get(ctx context.Context, blob Blob, part v1.Part) (Array, error) {
	request := &v1.GetBlobsRequest{Net: n.Description.Net, Blobs: []*v1.BlobReference{blob.reference()}, Part: part}
	reply, err := call(n.client, ctx, n.client.nets.GetBlobs, request)
	if err != nil {
		return Array{}, err
	}
	return toArray(reply.Tensors[0]), nil
}

// Set overwrites a blob's values or gradients.
func (n *Net) Set(ctx context.Context, blob Blob, part v1.Part, values Array) error {
	one := &v1.BlobValues{Blob: blob.reference(), Part: part, Values: toTensor(values)}
	request := &v1.SetBlobsRequest{Net: n.Description.Net, Blobs: []*v1.BlobValues{one}}
	_, err := call(n.client, ctx, n.client.nets.SetBlobs, request)
	return err
}

// Reshape gives blobs, by name, other shapes and carries them through the net.
func (n *Net) Reshape(ctx context.Context, shapes map[string][]int64) error {
	for name, dims := range shapes {
		blob := Blob{Name: name}.reference()
		request := &v1.ReshapeBlobRequest{Net: n.Description.Net, Blob: blob, Shape: &v1.Shape{Dims: dims}}
		if _, err := call(n.client, ctx, n.client.nets.ReshapeBlob, request); err != nil {
			return err
		}
	}
	description, err := call(n.client, ctx, n.client.nets.ReshapeNet, &v1.ReshapeNetRequest{Net: n.Description.Net})
	if err == nil {
		n.Description = description
	}
	return err
}

// Weights gives the bytes of a caffemodel.
func (n *Net) Weights(ctx context.Context) ([]byte, error) {
	reply, err := call(n.client, ctx, n.client.nets.GetWeights, &v1.GetWeightsRequest{Net: n.Description.Net})
	return reply.GetData(), err
}

// CopyFrom loads such bytes into layers of the same names; gives those names.
func (n *Net) CopyFrom(ctx context.Context, caffemodel []byte) ([]string, error) {
	weights := &v1.Weights{Source: &v1.Weights_Data{Data: caffemodel}}
	request := &v1.CopyFromRequest{Net: n.Description.Net, Weights: weights}
	reply, err := call(n.client, ctx, n.client.nets.CopyFrom, request)
	return reply.GetLayers(), err
}

// Release lets the net go; a solver's net goes with the solver.
func (n *Net) Release(ctx context.Context) error {
	if n.ofSolver {
		return nil
	}
	_, err := call(n.client, ctx, n.client.nets.ReleaseNet, &v1.ReleaseNetRequest{Net: n.Description.Net})
	return err
}

// Solver is a solver on the server, and its train net.
type Solver struct {
	Net    *Net
	client *Client
	handle uint64
}

// OnEvent hears what happens while a solver trains; false ends the training after the iteration it is at.
type OnEvent func(*v1.Event) bool

// Step trains for so many iterations more.
func (s *Solver) Step(ctx context.Context, iterations int64, onEvent OnEvent) error {
	ctx, cancel := s.client.context(ctx)
	defer cancel()
	events, err := s.client.solvers.Step(ctx, &v1.StepRequest{Solver: s.handle, Iterations: iterations})
	if err != nil {
		return failure(err, nil)
	}
	return train(events, onEvent)
}

// Solve trains to max_iter.
func (s *Solver) Solve(ctx context.Context, onEvent OnEvent) error {
	ctx, cancel := s.client.context(ctx)
	defer cancel()
	events, err := s.client.solvers.Solve(ctx, &v1.SolveRequest{Solver: s.handle})
	if err != nil {
		return failure(err, nil)
	}
	return train(events, onEvent)
}

// State tells iterations made and to make.
func (s *Solver) State(ctx context.Context) (*v1.Solver, error) {
	return call(s.client, ctx, s.client.solvers.DescribeSolver, &v1.DescribeSolverRequest{Solver: s.handle})
}

// Snapshot writes a snapshot on the server; gives the solverstate's path there.
func (s *Solver) Snapshot(ctx context.Context) (string, error) {
	reply, err := call(s.client, ctx, s.client.solvers.Snapshot, &v1.SnapshotRequest{Solver: s.handle})
	return reply.GetSolverstate(), err
}

// Restore goes on from a solverstate in the server's folder.
func (s *Solver) Restore(ctx context.Context, solverstate string) error {
	_, err := call(s.client, ctx, s.client.solvers.Restore, &v1.RestoreRequest{Solver: s.handle, Path: solverstate})
	return err
}

// Release lets the solver and its nets go.
func (s *Solver) Release(ctx context.Context) error {
	_, err := call(s.client, ctx, s.client.solvers.ReleaseSolver, &v1.ReleaseSolverRequest{Solver: s.handle})
	return err
}

type eventStream interface {
	Recv() (*v1.Event, error)
	Trailer() metadata.MD
}

func train(events eventStream, onEvent OnEvent) error {
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return failure(err, events.Trailer())
		}
		if onEvent != nil && !onEvent(event) {
			return nil
		}
	}
}

func (c *Client) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = metadata.AppendToOutgoingContext(ctx, "caffe-session", c.session)
	if c.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
	}
	return context.WithCancel(ctx)
}

func call[Request, Reply any](
	c *Client, ctx context.Context, method func(context.Context, Request, ...grpc.CallOption) (*Reply, error), request Request,
) (*Reply, error) {
	ctx, cancel := c.context(ctx)
	defer cancel()
	var trailer metadata.MD
	reply, err := method(ctx, request, grpc.Trailer(&trailer))
	if err != nil {
		return nil, failure(err, trailer)
	}
	return reply, nil
}

// failure turns a failed call's status and trailing metadata into what the server raised.
func failure(err error, trailer metadata.MD) error {
	state, _ := status.FromError(err)
	parts := &v1.Error{Code: "bridge", What: state.Message()}
	if found := trailer.Get("caffe-error-bin"); len(found) > 0 {
		raised := &v1.Error{}
		if proto.Unmarshal([]byte(found[0]), raised) == nil {
			parts = raised
		}
	}
	return &Error{parts.Code, parts.Where, parts.What, parts.Remedy, parts.Identifier, state}
}

func named(layer string) *string {
	if layer == "" {
		return nil
	}
	return &layer
}

func toTensor(array Array) *v1.Tensor {
	data := make([]byte, 4*len(array.Data))
	for i, value := range array.Data {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(value))
	}
	return &v1.Tensor{Shape: array.Shape, Type: v1.DataType_DATA_TYPE_FLOAT32, Data: data}
}

func toArray(tensor *v1.Tensor) Array {
	array := Array{Shape: append([]int64{}, tensor.Shape...), Data: make([]float32, len(tensor.Data)/4)}
	for i := range array.Data {
		array.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(tensor.Data[4*i:]))
	}
	return array
}

func toTensors(arrays Arrays) []*v1.NamedTensor {
	tensors := make([]*v1.NamedTensor, 0, len(arrays))
	for name, array := range arrays {
		tensors = append(tensors, &v1.NamedTensor{Name: name, Tensor: toTensor(array)})
	}
	return tensors
}

func toArrays(tensors []*v1.NamedTensor) Arrays {
	arrays := make(Arrays, len(tensors))
	for _, tensor := range tensors {
		arrays[tensor.Name] = toArray(tensor.Tensor)
	}
	return arrays
}
