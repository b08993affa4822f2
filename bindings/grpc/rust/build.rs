fn main() -> Result<(), Box<dyn std::error::Error>> {
    tonic_build::configure()
        .build_server(false)
        .compile_protos(&["../../../proto/caffe_sdk/v1/caffe_sdk.proto"], &["../../../proto"])?;
    Ok(())
}
