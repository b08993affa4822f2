// Windows over any number of spatial axes, unrolled into columns and rolled back.

struct Windows {
    int axes, channels;
    int size[MOST_AXES], out[MOST_AXES];  // of the image, and of the places of windows
    int kernel[MOST_AXES], stride[MOST_AXES], pad[MOST_AXES], dilation[MOST_AXES];
    int area, taps, places;               // the products of size, kernel and out
};

// columns[image * image_step + (channel, tap) * row_step + place] = what the window at a place sees at a tap.
KERNEL im2col(int n, const real* x, real* columns, Windows w, int image_step, int row_step) {
    EACH(i, n) {
        int place = i % w.places, row = i / w.places % (w.channels * w.taps), image = i / w.places / (w.channels * w.taps);
        int tap = row % w.taps, channel = row / w.taps;
        int at = 0, step = 1, rest = place, inside = 1;
        for (int a = w.axes - 1; a >= 0; a--) {
            int position = rest % w.out[a] * w.stride[a] - w.pad[a] + tap % w.kernel[a] * w.dilation[a];
            rest /= w.out[a];
            tap /= w.kernel[a];
            inside = inside && position >= 0 && position < w.size[a];
            at += position * step;
            step *= w.size[a];
        }
        columns[image * image_step + row * row_step + place] = inside ? x[(image * w.channels + channel) * w.area + at] : 0.0f;
    }
}

// x = the sum of all values of columns[image][channel, tap][place] that came from a place.
KERNEL col2im(int n, const real* columns, real* x, Windows w) {
    EACH(i, n) {
        int position = i % w.area, plane = i / w.area;
        float sum = 0;
        for (int t = 0; t < w.taps; t++) {
            int place = 0, step = 1, rest = position, tap = t, seen = 1;
            for (int a = w.axes - 1; a >= 0; a--) {
                int offset = rest % w.size[a] + w.pad[a] - tap % w.kernel[a] * w.dilation[a];
                rest /= w.size[a];
                tap /= w.kernel[a];
                seen = seen && offset >= 0 && offset % w.stride[a] == 0 && offset / w.stride[a] < w.out[a];
                place += offset / w.stride[a] * step;
                step *= w.out[a];
            }
            if (seen) sum += columns[(plane * w.taps + t) * w.places + place];
        }
        x[i] = sum;
    }
}

// y[channel][image][place] = x[image][channel][place]
KERNEL gather_images(int n, const real* x, real* y, int images, int channels, int places) {
    EACH(i, n) {
        int place = i % places, image = i / places % images, channel = i / places / images;
        y[i] = x[(image * channels + channel) * places + place];
    }
}
