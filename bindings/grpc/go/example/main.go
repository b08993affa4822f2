// Command example classifies or trains on a server.
//
//	example classify HOST:PORT deploy.prototxt weights.caffemodel pixels.bin
//	  pixels.bin holds little-endian float32 values of the first input; prints the outputs
//	example train HOST:PORT solver.prototxt ITERATIONS
//	  trains a solver whose net needs no files; prints the losses
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	caffe "caffe-sdk/client"
	"caffe-sdk/client/v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 5 {
		log.Fatal("usage: example classify|train HOST:PORT ...")
	}
	server, err := caffe.Connect(os.Args[2], caffe.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if os.Args[1] == "classify" && len(os.Args) == 6 {
		err = classify(server, os.Args[3], os.Args[4], os.Args[5])
	} else {
		err = train(server, os.Args[3], os.Args[4])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func classify(server *caffe.Client, model, weights, pixels string) error {
	ctx := context.Background()
	prototxt, err := os.ReadFile(model)
	if err != nil {
		return err
	}
	caffemodel, err := os.ReadFile(weights)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(pixels)
	if err != nil {
		return err
	}
	net, err := server.Net(ctx, string(prototxt), caffe.NetOptions{Weights: caffemodel})
	if err != nil {
		return err
	}
	defer net.Release(ctx)
	input := net.Description.Inputs[0]
	images := caffe.Array{Data: make([]float32, len(raw)/4)}
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, images.Data); err != nil {
		return err
	}
	for _, blob := range net.Description.Blobs {
		if blob.Name == input {
			images.Shape = blob.Shape.Dims
		}
	}
	outputs, err := net.Forward(ctx, caffe.Arrays{input: images}, caffe.Range{})
	for name, output := range outputs {
		fmt.Println(name, strings.Trim(fmt.Sprint(output.Data), "[]"))
	}
	return err
}

func train(server *caffe.Client, model, iterations string) error {
	ctx := context.Background()
	prototxt, err := os.ReadFile(model)
	if err != nil {
		return err
	}
	count, err := strconv.ParseInt(iterations, 10, 64)
	if err != nil {
		return err
	}
	solver, err := server.Solver(ctx, string(prototxt))
	if err != nil {
		return err
	}
	defer solver.Release(ctx)
	return solver.Step(ctx, count, func(event *v1.Event) bool {
		if iteration := event.GetIteration(); iteration != nil {
			fmt.Println(iteration.Loss)
		}
		return true
	})
}
