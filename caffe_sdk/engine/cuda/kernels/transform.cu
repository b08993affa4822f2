// From the bytes of images to floats: cut, mirrored, minus mean, times scale.

struct Place {
    int top, left, mirrored, together;  // `together`: the channels of a pixel lie side by side
};

// y (images, channels, out_h, out_w) from x, `images` of channels * h * w bytes each, place by place. The mean is one
// value for each channel, or with `whole` one for each place of an image.
KERNEL transform_images(
    int n, const unsigned char* x, const Place* places, const float* mean, float* y, int whole, float scale,
    int channels, int h, int w, int out_h, int out_w
) {
    EACH(i, n) {
        int column = i % out_w, row = i / out_w % out_h, channel = i / out_w / out_h % channels;
        int image = i / out_w / out_h / channels;
        Place place = places[image];
        row += place.top;
        column = place.left + (place.mirrored ? out_w - 1 - column : column);
        int planar = (channel * h + row) * w + column;
        int at = place.together ? (row * w + column) * channels + channel : planar;
        y[i] = ((float)x[(size_t)image * channels * h * w + at] - mean[whole ? planar : channel]) * scale;
    }
}
